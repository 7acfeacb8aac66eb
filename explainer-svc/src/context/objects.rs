//! The objects of one kind, as JSON texts: what is written out is what is kept, at a fraction of the size of parsed values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::context::Namespace;
use serde_json::Value;

use super::kinds::Kind;

/// kubectl keeps a copy of the whole object in it, a Secret's data included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// How much is kept of all kinds together.
#[derive(Debug)]
pub(super) struct Budget {
    max_objects: usize,
    max_bytes: usize,
    objects: AtomicUsize,
    bytes: AtomicUsize,
}

impl Budget {
    pub(super) fn new(max_objects: usize, max_bytes: usize) -> Self {
        Self {
            max_objects,
            max_bytes,
            objects: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    fn take(&self, objects: usize, bytes: usize) -> Result<(), String> {
        let all_objects = self.objects.fetch_add(objects, Ordering::Relaxed) + objects;
        let all_bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let reason = if all_objects > self.max_objects {
            format!(
                "there are more than {} objects; watch fewer kinds, or raise --context-max-objects",
                self.max_objects
            )
        } else if all_bytes > self.max_bytes {
            format!(
                "the objects have more than {} bytes; watch fewer kinds, or raise --context-max-bytes",
                self.max_bytes
            )
        } else {
            return Ok(());
        };
        self.give(objects, bytes);
        Err(reason)
    }

    fn give(&self, objects: usize, bytes: usize) {
        self.objects.fetch_sub(objects, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What is kept of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum View {
    /// Labels and annotations, for `namespaces`.
    Namespaces,
    /// The object, for `inventory`. Of Secrets the metadata only: their data is not even asked for.
    Inventory,
    /// What Gatekeeper is to keep; not in the context.
    Sync,
}

/// Namespace and name.
pub(super) type Key = (String, String);

/// The objects of one kind.
#[derive(Debug)]
pub(super) struct Objects {
    kind: Kind,
    view: View,
    kept: BTreeMap<Key, Arc<str>>,
    bytes: usize,
    budget: Arc<Budget>,
}

impl Objects {
    pub(super) fn new(kind: Kind, view: View, budget: Arc<Budget>) -> Self {
        Self {
            kind,
            view,
            kept: BTreeMap::new(),
            bytes: 0,
            budget,
        }
    }

    /// Namespace and name of an object.
    pub(super) fn key(object: &Value) -> Key {
        let text = |pointer: &str| {
            let text = object.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        (text("/metadata/namespace"), text("/metadata/name"))
    }

    /// Keeps an object; whether anything changed.
    ///
    /// # Errors
    /// There is too much already. What was known of the object is kept.
    pub(super) fn put(&mut self, key: Key, object: Value) -> Result<bool, String> {
        let text = self.text(object);
        let before = self.kept.get(&key);
        if before.is_some_and(|before| **before == *text) {
            return Ok(false);
        }
        let size = |text: &str| key.0.len() + key.1.len() + text.len();
        let (old_objects, old_bytes) = before.map_or((0, 0), |before| (1, size(before)));
        let new_bytes = size(&text);
        // Replacing takes only what it adds, or an object at the limit could never be updated.
        self.budget.take(1 - old_objects, new_bytes.saturating_sub(old_bytes))?;
        self.budget.give(0, old_bytes.saturating_sub(new_bytes));
        self.bytes = (self.bytes + new_bytes).saturating_sub(old_bytes);
        self.kept.insert(key, text.into());
        Ok(true)
    }

    /// Forgets an object; whether it was there.
    pub(super) fn remove(&mut self, key: &Key) -> bool {
        let Some(text) = self.kept.remove(key) else {
            return false;
        };
        let size = key.0.len() + key.1.len() + text.len();
        self.bytes = self.bytes.saturating_sub(size);
        self.budget.give(1, size);
        true
    }

    /// Forgets what a list did not have; whether that was anything.
    pub(super) fn keep_only(&mut self, listed: &std::collections::BTreeSet<Key>) -> bool {
        let gone: Vec<Key> = self.kept.keys().filter(|key| !listed.contains(*key)).cloned().collect();
        for key in &gone {
            self.remove(key);
        }
        !gone.is_empty()
    }

    /// All of them. The texts are shared, so that nobody waits for who writes them out.
    pub(super) fn all(&self) -> Vec<(Key, Arc<str>)> {
        let shared = self.kept.iter().map(|(key, text)| (key.clone(), Arc::clone(text)));
        shared.collect()
    }

    /// One of them.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<str>> {
        self.kept.get(key).cloned()
    }

    /// How many, and how many bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.kept.len(), self.bytes)
    }

    fn text(&self, mut object: Value) -> String {
        if self.view == View::Namespaces {
            // Maps of strings always serialise.
            return serde_json::to_string(&namespace(&object)).unwrap_or_default();
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
            if self.kind.is_secret()
                && let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
            {
                annotations.remove(LAST_APPLIED);
            }
        }
        if let Some(members) = object.as_object_mut() {
            if self.kind.is_secret() {
                members.retain(|name, _| name == "metadata");
            }
            // Items of a list do not say what they are, and metadata alone says that it is metadata.
            members.insert("apiVersion".to_owned(), self.kind.api_version().into());
            members.insert("kind".to_owned(), self.kind.kind.clone().into());
        }
        object.to_string()
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        self.budget.give(self.kept.len(), self.bytes);
    }
}

/// What a policy may know of a namespace.
pub(super) fn namespace(object: &Value) -> Namespace {
    let map = |pointer: &str| {
        let members = object.pointer(pointer).and_then(Value::as_object);
        let texts = members.into_iter().flatten().filter_map(|(key, value)| {
            let value = value.as_str()?;
            Some((key.clone(), value.to_owned()))
        });
        texts.collect()
    };
    Namespace {
        labels: map("/metadata/labels"),
        annotations: map("/metadata/annotations"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn objects(kind: &str, view: View, budget: &Arc<Budget>) -> Objects {
        Objects::new(kind.parse().unwrap(), view, Arc::clone(budget))
    }

    #[test]
    fn managed_fields_and_secrets_are_not_kept() {
        let budget = Arc::new(Budget::new(10, 10_000));
        let mut secrets = objects("v1/Secret", View::Inventory, &budget);
        let secret = json!({
            "metadata": {"name": "a", "namespace": "shop", "managedFields": [{"manager": "x"}],
                "annotations": {LAST_APPLIED: "{\"data\":{\"p\":\"aHVzaA==\"}}", "team": "shop"}},
            "data": {"password": "aHVzaA=="}, "stringData": {"password": "hush"}, "type": "Opaque",
        });
        let key = Objects::key(&secret);
        assert!(secrets.put(key.clone(), secret).unwrap());
        let text = secrets.get(&key).unwrap();
        let kept: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            kept,
            json!({"apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "a", "namespace": "shop", "annotations": {"team": "shop"}}})
        );
    }

    #[test]
    fn of_namespaces_labels_and_annotations_are_kept() {
        let budget = Arc::new(Budget::new(10, 10_000));
        let mut namespaces = objects("v1/Namespace", View::Namespaces, &budget);
        let object = json!({"metadata": {"name": "shop", "uid": "1", "labels": {"team": "checkout"}}});
        let key = Objects::key(&object);
        assert!(namespaces.put(key.clone(), object.clone()).unwrap());
        assert_eq!(
            &*namespaces.get(&key).unwrap(),
            r#"{"labels":{"team":"checkout"},"annotations":{}}"#
        );
        let mut same = object;
        same["metadata"]["resourceVersion"] = "7".into();
        assert!(!namespaces.put(key, same).unwrap(), "nothing that is kept has changed");
    }

    #[test]
    fn the_limits_hold_and_what_is_removed_makes_room() {
        let budget = Arc::new(Budget::new(2, 10_000));
        let mut pods = objects("v1/Pod", View::Inventory, &budget);
        let pod = |name: &str, size: usize| json!({"metadata": {"name": name, "uid": "x".repeat(size)}});
        let key = |name: &str| (String::new(), name.to_owned());
        assert!(pods.put(key("a"), pod("a", 0)).unwrap() && pods.put(key("b"), pod("b", 0)).unwrap());
        let reason = pods.put(key("c"), pod("c", 0)).unwrap_err();
        assert!(reason.contains("more than 2 objects"), "{reason}");
        assert!(pods.put(key("b"), pod("b", 100)).unwrap(), "what is there may change");
        assert!(pods.remove(&key("a")) && !pods.remove(&key("a")));
        let reason = pods.put(key("c"), pod("c", 20_000)).unwrap_err();
        assert!(reason.contains("more than 10000 bytes"), "{reason}");
        assert!(pods.put(key("c"), pod("c", 10)).unwrap());
        let (count, bytes) = pods.size();
        assert_eq!((count, bytes), (2, budget.bytes.load(Ordering::Relaxed)));
        drop(pods);
        let left = (
            budget.objects.load(Ordering::Relaxed),
            budget.bytes.load(Ordering::Relaxed),
        );
        assert_eq!(left, (0, 0));
    }
}
