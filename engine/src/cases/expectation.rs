//! The change that a good engineer would make, written down beside a case.

use std::collections::BTreeMap;

use json_patch::Patch;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use crate::template::Workload;

/// What to change so that the object passes; written by a person who knows what the policy is for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Which answer is right.
    #[serde(default)]
    pub class: Class,
    /// RFC 6902, on the object as the case has it. Placeholders hold an example that passes.
    #[serde(default)]
    pub patch: Patch,
    /// Other changes that are as good.
    #[serde(default)]
    pub or: Vec<Patch>,
    /// JSON pointers in the changed object where any value is right that passes.
    #[serde(default)]
    pub any: Vec<String>,
    /// What passes can still be wrong, such as another program's image: for pointers of `any`, the regular expression that the
    /// value matches. A text is taken as it is, all else as JSON.
    #[serde(default)]
    pub like: BTreeMap<String, String>,
    /// Why no edit of the object helps.
    #[serde(default)]
    pub reason: String,
}

/// The three answers; never mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A change that is right as it stands.
    #[default]
    Fix,
    /// The shape is right; a person has to fill in a value, at one of the paths in `any`.
    Placeholder,
    /// No edit of the object helps.
    None,
}

impl Expectation {
    /// The object after each change that is right.
    pub fn after(&self, object: &Value, workload: Option<&'static Workload>) -> Result<Vec<Value>, String> {
        std::iter::once(&self.patch)
            .chain(&self.or)
            .map(|patch| {
                let mut after = object.clone();
                let patch = lifted(patch, workload)?;
                json_patch::patch(&mut after, &patch).map_err(|error| error.to_string())?;
                Ok(after)
            })
            .collect()
    }

    /// Whether this changed object is one of those that are right.
    pub fn accepts(
        &self,
        object: &Value,
        changed: &Value,
        workload: Option<&'static Workload>,
    ) -> Result<bool, String> {
        let lift = |path: &String| workload.map_or_else(|| path.clone(), |workload| workload.lift(path));
        for (path, pattern) in &self.like {
            let pattern = Regex::new(pattern).map_err(|error| error.to_string())?;
            let matches = |value: &Value| {
                value
                    .as_str()
                    .map_or_else(|| pattern.is_match(&value.to_string()), |text| pattern.is_match(text))
            };
            if !changed.pointer(&lift(path)).is_none_or(matches) {
                return Ok(false);
            }
        }
        let any: Vec<String> = self.any.iter().map(lift).collect();
        let changed = blanked(changed, &any);
        let right = self.after(object, workload)?;
        Ok(right.iter().any(|right| blanked(right, &any) == changed))
    }
}

/// The values at these paths made equal, so that only their being there is compared.
fn blanked(object: &Value, paths: &[String]) -> Value {
    let mut object = object.clone();
    for path in paths {
        if let Some(place) = object.pointer_mut(path) {
            *place = Value::Null;
        }
    }
    object
}

fn lifted(patch: &Patch, workload: Option<&'static Workload>) -> Result<Patch, String> {
    let Some(workload) = workload else {
        return Ok(patch.clone());
    };
    let mut operations = serde_json::to_value(patch).map_err(|error| error.to_string())?;
    for operation in operations.as_array_mut().into_iter().flatten() {
        for key in ["path", "from"] {
            if let Some(Value::String(path)) = operation.get_mut(key) {
                *path = workload.lift(path);
            }
        }
    }
    serde_json::from_value(operations).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn what_is_right_is_compared_by_the_changed_object() {
        let expectation: Expectation = serde_json::from_value(json!({
            "class": "placeholder",
            "patch": [{"op": "add", "path": "/metadata/labels", "value": {"owner": "shop"}}],
            "or": [[{"op": "add", "path": "/metadata/annotations", "value": {"owner": "shop"}}]],
            "any": ["/metadata/labels/owner"],
        }))
        .unwrap();
        let object = json!({"metadata": {}});
        let is_right = |changed: Value| expectation.accepts(&object, &changed, None).unwrap();
        assert!(is_right(json!({"metadata": {"labels": {"owner": "somebody else"}}})));
        assert!(is_right(json!({"metadata": {"annotations": {"owner": "shop"}}})));
        assert!(!is_right(
            json!({"metadata": {"annotations": {"owner": "somebody else"}}})
        ));
        assert!(!is_right(json!({"metadata": {"labels": {"owner": "x", "more": "y"}}})));
    }

    #[test]
    fn a_value_that_only_a_person_knows_can_be_bounded() {
        let expectation: Expectation = serde_json::from_value(json!({
            "class": "placeholder",
            "patch": [{"op": "replace", "path": "/spec/image", "value": "nginx:1.27.3"}],
            "any": ["/spec/image"],
            "like": {"/spec/image": "^nginx[:@]"},
        }))
        .unwrap();
        let object = json!({"spec": {"image": "nginx"}});
        let is_right = |changed: Value| expectation.accepts(&object, &changed, None).unwrap();
        assert!(is_right(json!({"spec": {"image": "nginx:1.28.0"}})));
        assert!(!is_right(json!({"spec": {"image": "envoy:1.28.0"}})));
        assert!(!is_right(json!({"spec": {"image": {"nginx": 1}}})));
        assert!(!is_right(json!({"spec": {}})));
        let broken: Expectation = serde_json::from_value(json!({"like": {"/spec/image": "("}})).unwrap();
        assert!(broken.accepts(&object, &object, None).is_err());
    }

    #[test]
    fn paths_are_lifted_into_templates() {
        let expectation: Expectation = serde_json::from_value(json!({
            "patch": [{"op": "replace", "path": "/spec/hostNetwork", "value": false}],
        }))
        .unwrap();
        let workload = crate::template::WORKLOADS
            .iter()
            .find(|workload| workload.kind == "Deployment");
        let object = json!({"spec": {"template": {"spec": {"hostNetwork": true}}}});
        let changed = json!({"spec": {"template": {"spec": {"hostNetwork": false}}}});
        assert!(expectation.accepts(&object, &changed, workload).unwrap());
        assert!(!expectation.accepts(&object, &object, workload).unwrap());
    }
}
