//! `input.review`: an `AdmissionRequest` as Gatekeeper shows it to templates.

use crate::rego::value::Value;

/// The request, with `object` on DELETE, without the namespace of a Namespace, and with the Namespace object.
///
/// Values are shared, not copied. `namespace` is the whole Namespace, when it is known.
///
/// # Errors
/// A DELETE without the old object, which no API server since 1.15 sends.
pub fn review(request: &Value, namespace: Option<&Value>) -> Result<Value, String> {
    let fields = request.as_object().ok_or("the AdmissionRequest is no object")?;
    let text = |path: &[&str]| request.at(path).and_then(Value::as_str).unwrap_or_default();
    let is_namespace = text(&["kind", "kind"]) == "Namespace" && text(&["kind", "group"]).is_empty();
    let is_delete = text(&["operation"]) == "DELETE";
    let old_object = request.member("oldObject").filter(|object| **object != Value::Null);
    if is_delete && old_object.is_none() {
        return Err("the request is a DELETE and has no oldObject".to_owned());
    }
    let mut members: Vec<(Value, Value)> = Vec::with_capacity(fields.len() + 2);
    for (key, value) in fields.iter() {
        match key.as_str() {
            Some("object") if is_delete => {}
            // A Namespace is not in itself.
            Some("namespace") if is_namespace => {}
            Some("namespaceObject") => {}
            _ => members.push((key.clone(), value.clone())),
        }
    }
    if let Some(object) = old_object.filter(|_| is_delete) {
        members.push((Value::string("object"), object.clone()));
    }
    // In Gatekeeper's own encoding these are there, and null, when they are absent.
    for key in ["object", "oldObject", "options"] {
        if !(is_delete && key == "object") && request.member(key).is_none() {
            members.push((Value::string(key), Value::Null));
        }
    }
    let namespace = namespace.filter(|_| !is_namespace && !text(&["namespace"]).is_empty());
    members.push((
        Value::string("namespaceObject"),
        namespace.cloned().unwrap_or(Value::Null),
    ));
    Ok(Value::object(members))
}

/// `input`: the review and the constraint's parameters.
pub fn input(review: Value, parameters: Value) -> Value {
    Value::object(vec![
        (Value::string("parameters"), parameters),
        (Value::string("review"), review),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn made(request: &serde_json::Value, namespace: Option<serde_json::Value>) -> Result<serde_json::Value, String> {
        let namespace = namespace.map(|namespace| Value::from(&namespace));
        review(&Value::from(request), namespace.as_ref()).map(|review| review.to_json())
    }

    #[test]
    fn a_delete_shows_the_old_object_in_both_places() {
        let request = json!({"operation": "DELETE", "object": null, "oldObject": {"a": 1}, "options": {}});
        let expected = json!({"operation": "DELETE", "object": {"a": 1}, "oldObject": {"a": 1}, "options": {},
            "namespaceObject": null});
        assert_eq!(made(&request, None).unwrap(), expected);
        for old in [
            json!({"operation": "DELETE", "oldObject": null}),
            json!({"operation": "DELETE"}),
        ] {
            assert!(made(&old, None).unwrap_err().contains("no oldObject"));
        }
    }

    #[test]
    fn the_namespace_is_shown_to_what_is_in_it() {
        let request =
            json!({"operation": "CREATE", "namespace": "shop", "object": {}, "kind": {"group": "", "kind": "Pod"}});
        let namespace = json!({"metadata": {"name": "shop", "labels": {"team": "a"}}});
        let review = made(&request, Some(namespace.clone())).unwrap();
        assert_eq!(review["namespaceObject"], namespace);
        assert_eq!(
            (&review["namespace"], &review["oldObject"]),
            (&json!("shop"), &json!(null))
        );
        assert_eq!(made(&request, None).unwrap()["namespaceObject"], json!(null));
    }

    #[test]
    fn a_namespace_is_in_none() {
        let request = json!({"operation": "CREATE", "namespace": "shop", "name": "shop", "object": {},
            "kind": {"group": "", "version": "v1", "kind": "Namespace"}});
        let review = made(&request, Some(json!({"metadata": {}}))).unwrap();
        assert_eq!(review.get("namespace"), None);
        assert_eq!(
            (&review["name"], &review["namespaceObject"]),
            (&json!("shop"), &json!(null))
        );
    }

    #[test]
    fn nothing_is_copied() {
        let request = Value::from(&json!({"operation": "UPDATE", "object": {"a": [1]}, "oldObject": {"b": 2}}));
        let review = review(&request, None).unwrap();
        let (Some(Value::Object(before)), Some(Value::Object(after))) =
            (request.member("object"), review.member("object"))
        else {
            panic!("no objects");
        };
        assert!(std::sync::Arc::ptr_eq(before, after));
    }
}
