//! Documents -> objects: lists are taken apart, reviews are taken as they are, what is no object is passed over or a mistake.

use serde_json::Value;

/// Something to judge.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Object {
    /// Where it stands in its document: a JSON pointer.
    pub(super) base: String,
    pub(super) form: Form,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    /// A manifest.
    Manifest(Value),
    /// A whole `AdmissionReview`.
    Review(Value),
}

/// What is in a document.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    Objects(Vec<Object>),
    /// It is for another tool.
    Other(&'static str),
    /// What is wrong, and where.
    Wrong {
        base: String,
        reason: String,
    },
}

/// The objects of a document.
pub(super) fn objects(document: Value) -> Found {
    let mut objects = Vec::new();
    match collect(document, String::new(), &mut objects) {
        Ok(None) => Found::Objects(objects),
        Ok(Some(reason)) => Found::Other(reason),
        Err((base, reason)) => Found::Wrong { base, reason },
    }
}

fn collect(document: Value, base: String, objects: &mut Vec<Object>) -> Result<Option<&'static str>, (String, String)> {
    let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if api_version.starts_with("kustomize.config.k8s.io/") {
        return Ok(Some("is for kustomize; pipe the output of `kustomize build` into -f -"));
    }
    if kind == "AdmissionReview" && api_version.starts_with("admission.k8s.io/") {
        objects.push(Object {
            base: format!("{base}/request/object"),
            form: Form::Review(document),
        });
        return Ok(None);
    }
    match (api_version.is_empty(), kind.is_empty()) {
        (true, true) => return Ok(Some("is no object of Kubernetes: it has neither apiVersion nor kind")),
        (true, false) => return Err((base, format!("the {kind} has no apiVersion"))),
        (false, true) => return Err((base, format!("the object of {api_version} has no kind"))),
        (false, false) => {}
    }
    let Some(item_kind) = kind.strip_suffix("List") else {
        objects.push(Object {
            base,
            form: Form::Manifest(document),
        });
        return Ok(None);
    };
    let Value::Object(mut members) = document else {
        return Ok(None);
    };
    let Some(Value::Array(items)) = members.remove("items") else {
        // A kind whose name ends so.
        objects.push(Object {
            base,
            form: Form::Manifest(Value::Object(members)),
        });
        return Ok(None);
    };
    for (index, mut item) in items.into_iter().enumerate() {
        // The items of a list of one kind need not name it.
        if let (Some(item), false) = (item.as_object_mut(), item_kind.is_empty()) {
            item.entry("apiVersion").or_insert_with(|| api_version.clone().into());
            item.entry("kind").or_insert_with(|| item_kind.into());
        }
        let place = format!("{base}/items/{index}");
        if let Some(reason) = collect(item, place.clone(), objects)? {
            return Err((place, reason.to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bases(document: Value) -> Vec<String> {
        match objects(document) {
            Found::Objects(objects) => objects.into_iter().map(|object| object.base).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lists_are_taken_apart() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod"});
        assert_eq!(bases(pod.clone()), [""]);
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [pod, {"apiVersion": "v1", "kind": "PodList", "items": [{}]}]});
        assert_eq!(bases(list), ["/items/0", "/items/1/items/0"]);
        assert_eq!(
            bases(json!({"apiVersion": "example.com/v1", "kind": "AllowList"})),
            [""]
        );
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {}});
        assert_eq!(bases(review), ["/request/object"]);
    }

    #[test]
    fn what_is_no_object_says_so() {
        assert!(matches!(objects(json!({"replicas": 1})), Found::Other(_)));
        assert!(matches!(objects(json!(["a"])), Found::Other(_)));
        let kustomization = json!({"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"});
        assert!(matches!(objects(kustomization), Found::Other(_)));
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [{"kind": "Pod"}]});
        let Found::Wrong { base, reason } = objects(list) else {
            panic!()
        };
        assert_eq!((&*base, &*reason), ("/items/0", "the Pod has no apiVersion"));
    }
}
