//! What a policy's rules hold, read strictly: strings, or objects with `msg`.

use crate::admission::Review;
use crate::eval::{Entry, MAX_MESSAGE, MAX_VIOLATIONS, Stop};
use crate::policy::compile::PolicyMeta;
use crate::policy::proposal::Proposals;
use crate::redact;
use crate::rego::Location;
use crate::rego::value::{Set, Value};
use crate::template::Workload;
use crate::verdict::{Action, FailureKind, Found, Violation};

/// A violation, and what its author says about the fix.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What is wrong.
    pub violation: Violation,
    /// The fixes of the policy's author.
    pub fixes: Proposals,
    /// What holds the template that the policy saw as a Pod.
    pub workload: Option<&'static Workload>,
}

/// Reads what one rule of a policy says.
pub(crate) fn read(
    output: &Value,
    entry: &Entry,
    meta: &PolicyMeta,
    workload: Option<&'static Workload>,
) -> Result<Vec<Finding>, Stop> {
    let rule = &entry.rule;
    let Value::Set(set) = output else {
        let detail = format!(
            "`{rule}` is {}, not a set; write `{rule} contains … if {{ … }}`",
            type_of(output)
        );
        return Err(Stop::new(FailureKind::Shape, detail));
    };
    if set.len() > MAX_VIOLATIONS {
        let detail = format!("it reported {} violations; {MAX_VIOLATIONS} are the limit", set.len());
        return Err(Stop::new(FailureKind::Limit, detail));
    }
    set.iter()
        .map(|element| finding(element, entry, meta, workload))
        .collect()
}

/// Reads the answer of a webhook that is written in Rego.
pub(crate) fn read_response(output: &Value, meta: &PolicyMeta) -> Result<Vec<Finding>, Stop> {
    let Some(Value::Bool(allowed)) = output.at(&["response", "allowed"]) else {
        let detail = "`main` has to be an AdmissionReview with `response.allowed`, true or false";
        return Err(Stop::new(FailureKind::Shape, detail));
    };
    let warnings = output
        .at(&["response", "warnings"])
        .and_then(Value::as_array)
        .unwrap_or_default();
    let warn = Entry {
        rule: "main".to_owned(),
        location: Location::default(),
        action: Some(Action::Warn),
        reads: None,
    };
    let mut findings = warnings
        .iter()
        .map(|text| finding(text, &warn, meta, None))
        .collect::<Result<Vec<_>, _>>()?;
    if !allowed {
        let said = ["message", "reason"]
            .iter()
            .find_map(|key| output.at(&["response", "status", key]));
        let said = said.filter(|text| text.as_str().is_some_and(|text| !text.trim().is_empty()));
        let message = said
            .cloned()
            .unwrap_or_else(|| Value::string("The policy denied the request and gave no reason."));
        let deny = Entry { action: None, ..warn };
        findings.push(finding(&message, &deny, meta, None)?);
    }
    Ok(findings)
}

fn finding(
    element: &Value,
    entry: &Entry,
    meta: &PolicyMeta,
    workload: Option<&'static Workload>,
) -> Result<Finding, Stop> {
    let rule = &entry.rule;
    let shape = |detail: String| Stop::new(FailureKind::Shape, detail);
    let message = element
        .as_str()
        .or_else(|| element.member("msg").and_then(Value::as_str));
    let message = message
        .map(str::trim)
        .filter(|message| !message.is_empty())
        .ok_or_else(|| {
            shape(format!(
                "an element of `{rule}` is {}; it must be a text, or an object with a text as `msg`",
                type_of(element)
            ))
        })?;
    if message.len() > MAX_MESSAGE {
        let detail = format!("a message has {} bytes; {MAX_MESSAGE} are the limit", message.len());
        return Err(Stop::new(FailureKind::Limit, detail));
    }
    let element = element.to_json();
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
    let fixes = match element.get("fix") {
        None => meta.custom.fix.clone(),
        Some(fix) => {
            Proposals::of_violation(fix).map_err(|problem| shape(format!("`fix` must be as in METADATA: {problem}")))?
        }
    };
    Ok(Finding {
        violation: Violation {
            policy: meta.id.clone(),
            action: entry.action.unwrap_or(meta.custom.action),
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
        fixes,
        workload,
    })
}

/// The texts in a collection of collections.
pub(crate) fn lists_of_texts(value: &Value) -> Option<Vec<Vec<&str>>> {
    let texts = |list| members(list)?.iter().map(Value::as_str).collect();
    members(value)?.iter().map(texts).collect()
}

fn members(value: &Value) -> Option<&[Value]> {
    value.as_array().or_else(|| value.as_set().map(Set::as_slice))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
        Value::Set(_) => "a set",
    }
}

/// Looks up what stands at the paths.
pub(crate) fn show_values(findings: &mut [Finding], review: &Review) {
    let object = review.object();
    for found in findings.iter_mut().flat_map(|finding| &mut finding.violation.found) {
        let value = at_pointer(object.value(), &found.path);
        found.value = value.and_then(|value| redact::value(&review.kind.kind, &found.path, &value.to_json()));
    }
}

/// The value at a JSON pointer.
pub(crate) fn at_pointer<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let pointer = jsonptr::Pointer::parse(path).ok()?;
    pointer.tokens().try_fold(value, |value, token| match value {
        Value::Array(items) => items.get(token.encoded().parse::<usize>().ok()?),
        other => other.member(&token.decoded()),
    })
}

/// Sorts paths as a person counts: container 2 before container 10.
pub(crate) fn path_order(path: &str) -> Vec<(u64, String)> {
    path.split('/')
        .map(|part| (part.parse().unwrap_or(u64::MAX), part.to_owned()))
        .collect()
}
