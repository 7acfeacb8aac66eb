//! What policies know beside an object: namespaces, the inventory and the cluster, from files and from the objects themselves.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use engine::context::{Context, Namespace};
use serde_json::{Map, Value, json};

use super::super::Failed;
use super::files::Source;
use super::kinds::Kinds;
use super::objects::{Form, Found, objects};
use super::yaml::{Chunk, Chunks, documents};

/// The label that the API server gives to every namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Everything that is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    pub(super) context: Context,
    pub(super) kinds: Kinds,
}

impl Surroundings {
    /// Starts from a context; namespaces and objects of the cluster come from these files.
    pub(super) fn new(context: Context, namespaces: &[PathBuf], inventory: &[PathBuf]) -> Result<Self, Failed> {
        let mut known = Self {
            context,
            kinds: Kinds::default(),
        };
        for path in namespaces {
            for object in read(path)? {
                if !known.namespace(&object) {
                    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
                    let text = format!("{}: expected objects of kind Namespace, found {kind}", path.display());
                    return Err(Failed::Usage(text));
                }
            }
        }
        let mut objects = Vec::new();
        for path in inventory {
            objects.extend(read(path)?);
        }
        // Definitions first: they say where the others belong.
        for object in &objects {
            known.definition(object);
        }
        for object in objects {
            known.keep(object);
        }
        Ok(known)
    }

    /// Learns from what is checked: who applies it all has these namespaces and definitions too.
    /// Whether there was anything to learn.
    pub(super) fn learn(&mut self, source: &Source) -> bool {
        // What cannot be read is reported when it is checked.
        let Ok(chunks) = source.chunks() else { return false };
        let mut found = false;
        for chunk in chunks.map_while(Result::ok) {
            if !chunk.text.contains("Namespace") && !chunk.text.contains("CustomResourceDefinition") {
                continue;
            }
            for object in manifests(&chunk).unwrap_or_default() {
                found |= self.namespace(&object) | self.definition(&object);
            }
        }
        found
    }

    fn namespace(&mut self, object: &Value) -> bool {
        if object["apiVersion"] != "v1" || object["kind"] != "Namespace" {
            return false;
        }
        let Some(name) = object.pointer("/metadata/name").and_then(Value::as_str) else {
            return false;
        };
        let texts = |pointer: &str| {
            let members = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
            members
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect::<std::collections::BTreeMap<_, _>>()
        };
        let mut labels = texts("/metadata/labels");
        labels.insert(NAME_LABEL.to_owned(), name.to_owned());
        let namespace = Namespace {
            labels,
            annotations: texts("/metadata/annotations"),
        };
        self.context.namespaces.insert(name.to_owned(), namespace);
        true
    }

    fn definition(&mut self, object: &Value) -> bool {
        let is_one = object["kind"] == "CustomResourceDefinition";
        if is_one {
            self.kinds.learn(object);
        }
        is_one
    }

    /// Puts an object into the inventory, where Gatekeeper would have it.
    fn keep(&mut self, object: Value) {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let mut path = if self.kinds.is_namespaced(group, &kind) {
            let namespace = Some(text("/metadata/namespace")).filter(|namespace| !namespace.is_empty());
            vec![
                "namespace".to_owned(),
                namespace.unwrap_or_else(|| "default".to_owned()),
            ]
        } else {
            vec!["cluster".to_owned()]
        };
        path.extend([api_version, kind, name]);
        let mut place = &mut self.context.inventory;
        for key in path {
            if !place.is_object() {
                *place = json!({});
            }
            let Some(members) = place.as_object_mut() else { return };
            place = members.entry(key).or_insert(Value::Null);
        }
        *place = object;
    }
}

/// The manifests in a chunk.
fn manifests(chunk: &Chunk) -> Result<Vec<Value>, String> {
    let mut all = Vec::new();
    let documents =
        documents(&chunk.text).map_err(|wrong| format!("line {}: {}", chunk.lines + wrong.line, wrong.reason))?;
    for document in documents {
        match objects(document.value) {
            Found::Objects(objects) => all.extend(objects.into_iter().filter_map(|object| match object.form {
                Form::Manifest(value) => Some(value),
                Form::Review(_) => None,
            })),
            Found::Other(reason) => return Err(format!("line {}: {reason}", chunk.lines + 1)),
            Found::Wrong { reason, .. } => return Err(reason),
        }
    }
    Ok(all)
}

/// Every object of a file that is not checked itself: a mistake in it is the command line's.
fn read(path: &Path) -> Result<Vec<Value>, Failed> {
    let wrong = |reason: String| Failed::Usage(format!("{}: {reason}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let mut all = Vec::new();
    for chunk in Chunks::new(BufReader::new(file)) {
        let chunk = chunk.map_err(|error| wrong(format!("cannot be read: {error}")))?;
        all.extend(manifests(&chunk).map_err(wrong)?);
    }
    Ok(all)
}

/// Who asks, and where.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    /// For objects that name none.
    pub(super) namespace: String,
    pub(super) user: String,
    pub(super) groups: Vec<String>,
}

impl Surroundings {
    /// The review that the API server would send when this object is created.
    pub(super) fn review(&self, object: Value, asking: &Asking) -> Value {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let own = text("/metadata/namespace");
        let namespace = match (self.kinds.is_namespaced(group, &kind), kind.as_str(), own.is_empty()) {
            (true, _, false) => own,
            (true, _, true) => asking.namespace.clone(),
            (false, "Namespace", _) if group.is_empty() => name.clone(),
            (false, ..) => String::new(),
        };
        let mut object = object;
        // As the API server does before it asks anybody.
        if self.kinds.is_namespaced(group, &kind)
            && let Some(members) = object.as_object_mut()
            && let Some(metadata) = members
                .entry("metadata")
                .or_insert_with(|| Value::Object(Map::new()))
                .as_object_mut()
        {
            metadata.insert("namespace".to_owned(), namespace.clone().into());
        }
        let gvk = json!({"group": group, "version": version, "kind": kind});
        let resource = json!({"group": group, "version": version, "resource": self.kinds.resource(group, &kind)});
        json!({
            "apiVersion": engine::admission::Version::V1.as_str(), "kind": "AdmissionReview",
            "request": {
                "uid": "00000000-0000-4000-8000-000000000000",
                "kind": gvk, "resource": resource, "requestKind": gvk, "requestResource": resource,
                "name": name, "namespace": namespace, "operation": "CREATE",
                "userInfo": {"username": asking.user, "groups": asking.groups},
                "object": object, "oldObject": null, "dryRun": false,
                "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking() -> Asking {
        Asking {
            namespace: "default".to_owned(),
            user: "jane".to_owned(),
            groups: Vec::new(),
        }
    }

    #[test]
    fn reviews_have_the_namespace_that_the_api_server_gives() {
        let known = Surroundings::default();
        let namespace = |object: Value| {
            let review = known.review(object, &asking());
            (
                review["request"]["namespace"].clone(),
                review["request"]["object"]["metadata"]["namespace"].clone(),
            )
        };
        let of = |api_version: &str, kind: &str, metadata: Value| {
            namespace(json!({"apiVersion": api_version, "kind": kind, "metadata": metadata}))
        };
        assert_eq!(
            of("v1", "Pod", json!({"name": "a"})),
            (json!("default"), json!("default"))
        );
        assert_eq!(
            of("v1", "Pod", json!({"namespace": "shop"})),
            (json!("shop"), json!("shop"))
        );
        assert_eq!(
            of("v1", "Namespace", json!({"name": "shop"})),
            (json!("shop"), Value::Null)
        );
        assert_eq!(of("v1", "Node", json!({"name": "a"})), (json!(""), Value::Null));
    }

    #[test]
    fn the_inventory_has_the_layout_of_gatekeeper() {
        let mut known = Surroundings::default();
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}});
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
        known.keep(pod.clone());
        known.keep(node.clone());
        assert_eq!(
            known.context.inventory,
            json!({"namespace": {"shop": {"v1": {"Pod": {"a": pod}}}}, "cluster": {"v1": {"Node": {"n": node}}}})
        );
    }
}
