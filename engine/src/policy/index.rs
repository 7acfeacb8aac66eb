//! Which policies can concern a request: found by what the request is, so that the others cost nothing.

use std::collections::{BTreeMap, HashMap};

use crate::explain::wire::GroupVersionKind;

/// What has to be so for a policy to concern a request. `None` tells nothing.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    /// One of these groups and kinds.
    pub kinds: Option<Vec<(String, String)>>,
    /// One of these namespaces, when the object is in one.
    pub namespaces: Option<Vec<String>>,
    /// The object has this label.
    pub label: Option<(String, String)>,
}

/// Positions of policies.
#[derive(Debug, Clone, Default)]
pub struct Index {
    by_kind: HashMap<(String, String), Bucket>,
    any: Bucket,
}

#[derive(Debug, Clone, Default)]
struct Bucket {
    by_namespace: HashMap<String, Vec<usize>>,
    by_label: HashMap<(String, String), Vec<usize>>,
    rest: Vec<usize>,
}

impl Bucket {
    fn add(&mut self, hints: &Hints, position: usize) {
        match hints {
            Hints {
                namespaces: Some(namespaces),
                ..
            } => {
                for namespace in namespaces {
                    self.by_namespace.entry(namespace.clone()).or_default().push(position);
                }
            }
            Hints { label: Some(label), .. } => self.by_label.entry(label.clone()).or_default().push(position),
            _ => self.rest.push(position),
        }
    }

    fn find(&self, namespace: Option<&str>, labels: &[BTreeMap<String, String>], positions: &mut Vec<usize>) {
        positions.extend(&self.rest);
        match namespace {
            Some(namespace) => positions.extend(self.by_namespace.get(namespace).into_iter().flatten()),
            None => positions.extend(self.by_namespace.values().flatten()),
        }
        if !self.by_label.is_empty() {
            for (key, value) in labels.iter().flatten() {
                positions.extend(self.by_label.get(&(key.clone(), value.clone())).into_iter().flatten());
            }
        }
    }
}

impl Index {
    /// Indexes policies by their position.
    pub fn new(hints: impl Iterator<Item = Hints>) -> Self {
        let mut index = Self::default();
        for (position, hints) in hints.enumerate() {
            match &hints.kinds {
                None => index.any.add(&hints, position),
                Some(kinds) => {
                    for kind in kinds {
                        index.by_kind.entry(kind.clone()).or_default().add(&hints, position);
                    }
                }
            }
        }
        index
    }

    /// The positions of the policies that may concern a request, ascending. `namespace` is `None` when the object is in none, or
    /// is one. `labels` are those of the object, new and old.
    pub fn candidates(
        &self,
        kind: &GroupVersionKind,
        namespace: Option<&str>,
        labels: &[BTreeMap<String, String>],
    ) -> Vec<usize> {
        let mut positions = Vec::new();
        if let Some(bucket) = self.by_kind.get(&(kind.group.clone(), kind.kind.clone())) {
            bucket.find(namespace, labels, &mut positions);
        }
        self.any.find(namespace, labels, &mut positions);
        positions.sort_unstable();
        positions.dedup();
        positions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_request_finds_what_may_concern_it_and_nothing_else() {
        let pods = || Some(vec![(String::new(), "Pod".to_owned())]);
        let label = ("team".to_owned(), "a".to_owned());
        let hints = [
            Hints {
                kinds: pods(),
                ..Hints::default()
            },
            Hints {
                kinds: pods(),
                namespaces: Some(vec!["shop".into()]),
                label: Some(label.clone()),
            },
            Hints {
                label: Some(label),
                ..Hints::default()
            },
            Hints {
                kinds: Some(vec![("apps".into(), "Deployment".into())]),
                ..Hints::default()
            },
            Hints::default(),
        ];
        let index = Index::new(hints.into_iter());
        let pod = GroupVersionKind {
            group: String::new(),
            version: "v1".into(),
            kind: "Pod".into(),
        };
        let team = |name: &str| [BTreeMap::from([("team".to_owned(), name.to_owned())])];
        assert_eq!(index.candidates(&pod, Some("shop"), &team("a")), [0, 1, 2, 4]);
        assert_eq!(index.candidates(&pod, Some("other"), &team("b")), [0, 4]);
        assert_eq!(index.candidates(&pod, None, &[]), [0, 1, 4]);
    }
}
