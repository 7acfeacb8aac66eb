//! What a policy's `deny` holds, read strictly: strings, or objects with `msg`.

use crate::admission::Review;
use crate::document::Document;
use crate::eval::{MAX_MESSAGE, MAX_VIOLATIONS, Stop};
use crate::policy::compile::PolicyMeta;
use crate::policy::custom::Edit;
use crate::redact;
use crate::template::Workload;
use crate::verdict::{FailureKind, Found, Violation};

/// A violation, and the changes that its author proposes.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What is wrong.
    pub violation: Violation,
    /// The author's mechanical fix, at each path.
    pub edits: Vec<(String, Edit)>,
}

/// Reads the output of one policy.
pub(crate) fn read(
    output: &Document,
    meta: &PolicyMeta,
    workload: Option<&'static Workload>,
) -> Result<Vec<Finding>, Stop> {
    let shape = |detail: String| Stop::new(FailureKind::Shape, detail);
    let set = output.0.as_set().map_err(|_| {
        shape(format!(
            "`deny` is {}, not a set; write `deny contains … if {{ … }}`",
            type_of(&output.to_json())
        ))
    })?;
    if set.len() > MAX_VIOLATIONS {
        let detail = format!("it reported {} violations; {MAX_VIOLATIONS} are the limit", set.len());
        return Err(Stop::new(FailureKind::Limit, detail));
    }
    set.iter()
        .map(|element| finding(&Document(element.clone()).to_json(), meta, workload))
        .collect()
}

fn finding(
    element: &serde_json::Value,
    meta: &PolicyMeta,
    workload: Option<&'static Workload>,
) -> Result<Finding, Stop> {
    let shape = |detail: String| Stop::new(FailureKind::Shape, detail);
    let message = element
        .as_str()
        .or_else(|| element.get("msg").and_then(serde_json::Value::as_str));
    let message = message
        .map(str::trim)
        .filter(|message| !message.is_empty())
        .ok_or_else(|| {
            shape(format!(
                "an element of `deny` is {}; it must be a text, or an object with a text as `msg`",
                type_of(element)
            ))
        })?;
    if message.len() > MAX_MESSAGE {
        let detail = format!("a message has {} bytes; {MAX_MESSAGE} are the limit", message.len());
        return Err(Stop::new(FailureKind::Limit, detail));
    }
    let mut paths = Vec::new();
    for path in element
        .get("path")
        .into_iter()
        .chain(element.get("paths").and_then(|p| p.as_array()).into_iter().flatten())
    {
        let path = path.as_str().filter(|path| jsonptr::Pointer::parse(path).is_ok());
        let path = path.ok_or_else(|| shape("`path` must be a JSON pointer, such as /spec/hostNetwork".to_owned()))?;
        paths.push(workload.map_or_else(|| path.to_owned(), |workload| workload.lift(path)));
    }
    let edit = match element.get("fix") {
        None => meta.custom.fix.clone(),
        Some(fix) => Some(serde_json::from_value(fix.clone()).map_err(|_| {
            shape("`fix` must be {\"action\": \"set\", \"value\": …} or {\"action\": \"remove\"}".to_owned())
        })?),
    };
    let edits = edit
        .map(|edit| paths.iter().map(|path| (path.clone(), edit.clone())).collect())
        .unwrap_or_default();
    Ok(Finding {
        violation: Violation {
            policy: meta.id.clone(),
            action: meta.custom.action,
            severity: meta.custom.severity,
            title: meta.title.clone(),
            message: message.to_owned(),
            found: paths.into_iter().map(|path| Found { path, value: None }).collect(),
            why: meta.why.clone(),
            remediation: meta.custom.remediation.trim().to_owned(),
            example: meta.custom.example.clone(),
            links: meta.links.clone(),
            controls: meta.custom.controls.clone(),
        },
        edits,
    })
}

fn type_of(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "a boolean",
        serde_json::Value::Number(_) => "a number",
        serde_json::Value::String(_) => "a text",
        serde_json::Value::Array(_) => "an array",
        serde_json::Value::Object(_) => "an object",
    }
}

/// Looks up what stands at the paths. Only here is the object made into JSON: an allowed request never pays for it.
pub(crate) fn show_values(findings: &mut [Finding], review: &Review) {
    if findings.is_empty() {
        return;
    }
    let object = review.object().to_json();
    for found in findings.iter_mut().flat_map(|finding| &mut finding.violation.found) {
        let value = object.pointer(&found.path);
        found.value = value.and_then(|value| redact::value(&review.kind.kind, &found.path, value));
    }
}

/// Sorts paths as a person counts: container 2 before container 10.
pub(crate) fn path_order(path: &str) -> Vec<(u64, String)> {
    path.split('/')
        .map(|part| (part.parse().unwrap_or(u64::MAX), part.to_owned()))
        .collect()
}
