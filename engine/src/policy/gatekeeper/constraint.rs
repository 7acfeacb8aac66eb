//! Constraints: which requests a template is applied to, with which parameters, and what follows.

use super::fields::Fields;
use super::matching::Match;
use super::selector::is_subdomain;
use super::template::{DESCRIPTIONS, TITLES, Template, annotation, dotted};
use super::yaml::Node;
use crate::policy::Problem;
use crate::rego::value::Value;
use crate::verdict::Action;

/// The API group.
pub(super) const GROUP: &str = "constraints.gatekeeper.sh";
/// Where Gatekeeper enforces: here it is admission.
const WEBHOOK: &str = "validation.gatekeeper.sh";
const POINTS: [&str; 5] = [WEBHOOK, "audit.gatekeeper.sh", "gator.gatekeeper.sh", "vap.k8s.io", "*"];

/// A constraint as written. It can be checked when its template is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The file.
    pub file: String,
    /// The line of the document.
    pub line: usize,
    /// The kind, which its template defines.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    pub(super) version: String,
    pub(super) document: Node,
}

/// A constraint, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraint {
    /// The file.
    pub file: String,
    /// The line of the document.
    pub line: usize,
    /// The kind, which its template defines.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// Its own title, else its template's.
    pub title: Option<String>,
    /// Its own description, else its template's.
    pub description: Option<String>,
    /// Which requests it concerns.
    pub criteria: Match,
    /// `input.parameters`: with the schema's defaults.
    pub parameters: Value,
    /// What a violation leads to. None when admission is not among the enforcement points: it is not evaluated then.
    pub actions: Vec<Action>,
}

impl Written {
    /// Checks it against the template of its kind.
    ///
    /// # Errors
    /// Every reason why it is refused.
    pub fn check(&self, template: Option<&Template>) -> Result<Constraint, Vec<Problem>> {
        let mut fields = Fields::new(&self.file);
        let constraint = self.collect(template, &mut fields);
        fields.finish(constraint)
    }

    fn collect(&self, template: Option<&Template>, fields: &mut Fields<'_>) -> Option<Constraint> {
        let document = &self.document;
        fields.known(document, "", &["apiVersion", "kind", "metadata", "spec", "status"]);
        if !["v1beta1", "v1alpha1"].contains(&self.version.as_str()) {
            let reason = format!("the version {:?} is unknown; use \"{GROUP}/v1beta1\"", self.version);
            fields.wrong(self.line, "apiVersion", &reason);
        }
        if !is_subdomain(&self.name) || self.name.len() > 63 {
            let line = document.line_of(&["metadata".to_owned(), "name".to_owned()]);
            let reason = format!(
                "{:?} is no name; use up to 63 small letters, digits, `-` and `.`",
                self.name
            );
            fields.wrong(line, "metadata.name", &reason);
        }
        let known = ["match", "parameters", "enforcementAction", "scopedEnforcementActions"];
        let spec = fields.object(document, "", "spec", &known);
        let operations = template
            .map(|template| template.operations.as_slice())
            .unwrap_or_default();
        let criteria = spec.map_or_else(|| Match::any(operations), |spec| Match::read(fields, spec, operations));
        let actions = spec.map_or_else(|| vec![Action::Deny], |spec| actions(fields, spec));
        let Some(template) = template else {
            let reason = format!(
                "no ConstraintTemplate defines {:?}; add it, or correct the kind",
                self.kind
            );
            fields.wrong(self.line, "kind", &reason);
            return None;
        };
        let parameters = parameters(fields, spec, template);
        Some(Constraint {
            file: self.file.clone(),
            line: self.line,
            kind: self.kind.clone(),
            name: self.name.clone(),
            title: annotation(document, &TITLES).or_else(|| template.title.clone()),
            description: annotation(document, &DESCRIPTIONS).or_else(|| template.description.clone()),
            criteria,
            parameters,
            actions,
        })
    }
}

fn parameters(fields: &mut Fields<'_>, spec: Option<&Node>, template: &Template) -> Value {
    let none = || Value::object(Vec::new());
    let Some(spec) = spec else { return none() };
    // With null kept apart from absent: a schema may allow it.
    let given = spec.members().iter().find(|member| member.key == "parameters");
    let Some(schema) = &template.schema else {
        if let Some(given) = given.filter(|given| !given.value.is_null()) {
            let reason = "the template takes none: it has no spec.crd.spec.validation.openAPIV3Schema";
            fields.wrong(given.line, "spec.parameters", reason);
        }
        return none();
    };
    match schema.apply(given.map(|given| given.value.to_json())) {
        Ok(parameters) => Value::from(&parameters),
        Err(complaints) => {
            for (path, reason) in complaints {
                let line = given.map_or(spec.line, |given| match path.as_slice() {
                    [] => given.line,
                    path => given.value.line_of(path),
                });
                fields.wrong(line, &format!("spec.parameters{}", dotted(&path)), &reason);
            }
            none()
        }
    }
}

fn action(name: &str) -> Option<Action> {
    match name {
        "deny" => Some(Action::Deny),
        "warn" => Some(Action::Warn),
        "dryrun" => Some(Action::Audit),
        _ => None,
    }
}

fn actions(fields: &mut Fields<'_>, spec: &Node) -> Vec<Action> {
    let line = spec.line_of(&["enforcementAction".to_owned()]);
    match fields.text(spec, "spec", "enforcementAction") {
        None => vec![Action::Deny],
        Some("scoped") => scoped(fields, spec),
        Some(name) => {
            let action = action(name);
            if action.is_none() {
                let reason = format!("{name:?} is none of deny, warn, dryrun and scoped");
                fields.wrong(line, "spec.enforcementAction", &reason);
            }
            action.into_iter().collect()
        }
    }
}

/// The actions of the entries that name admission, or everything.
fn scoped(fields: &mut Fields<'_>, spec: &Node) -> Vec<Action> {
    const FIELD: &str = "spec.scopedEnforcementActions";
    if spec.get("scopedEnforcementActions").is_none() {
        let reason = "missing; `enforcementAction: scoped` needs it";
        fields.wrong(spec.line_of(&["enforcementAction".to_owned()]), FIELD, reason);
    }
    let mut actions = Vec::new();
    for (place, entry) in fields.list(spec, "spec", "scopedEnforcementActions").iter().enumerate() {
        let field = format!("{FIELD}[{place}]");
        fields.known(entry, &field, &["action", "enforcementPoints"]);
        let name = fields.text(entry, &field, "action").unwrap_or_default();
        let action = action(name);
        if action.is_none() {
            let reason = format!("{name:?} is none of deny, warn and dryrun");
            fields.wrong(entry.line, &format!("{field}.action"), &reason);
        }
        let points = fields.list(entry, &field, "enforcementPoints");
        if points.is_empty() {
            let reason = "missing; name where the action is taken, such as `- name: validation.gatekeeper.sh`";
            fields.wrong(entry.line, &format!("{field}.enforcementPoints"), reason);
        }
        for (place, point) in points.iter().enumerate() {
            let field = format!("{field}.enforcementPoints[{place}]");
            fields.known(point, &field, &["name"]);
            let name = fields.text(point, &field, "name").unwrap_or_default();
            if !POINTS.contains(&name) {
                let reason = format!("{name:?} is none of {}", POINTS.join(", "));
                fields.wrong(point.line, &format!("{field}.name"), &reason);
            }
            if name == WEBHOOK || name == "*" {
                actions.extend(action);
            }
        }
    }
    actions.sort_unstable();
    actions.dedup();
    actions
}

#[cfg(test)]
mod tests;
