//! `objects.yaml`: right and wrong objects.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::explain::wire::GroupVersionKind;
use crate::schema::{new_problems, problems};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    bases: BTreeMap<String, Value>,
    objects: Vec<Changed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    of: String,
    #[serde(default)]
    set: BTreeMap<String, Value>,
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    problems: Vec<String>,
    /// For the test with an API server.
    #[serde(rename = "server")]
    _server: Option<String>,
}

impl Changed {
    fn object(&self, base: &Value) -> Value {
        let removed = self.remove.iter().map(|path| json!({"op": "remove", "path": path}));
        // `/-` is no member that could be replaced.
        let set = self.set.iter().map(|(path, value)| {
            let is_there = base.pointer(path).is_some();
            json!({"op": if is_there { "replace" } else { "add" }, "path": path, "value": value})
        });
        let patch: json_patch::Patch = serde_json::from_value(set.chain(removed).collect()).unwrap();
        let mut object = base.clone();
        json_patch::patch(&mut object, &patch).unwrap();
        object
    }
}

pub(super) fn kind_of(object: &Value) -> GroupVersionKind {
    let member = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = member("apiVersion")
        .split_once('/')
        .unwrap_or(("", member("apiVersion")));
    GroupVersionKind {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: member("kind").to_owned(),
    }
}

fn table() -> Table {
    serde_saphyr::from_str(include_str!("objects.yaml")).unwrap()
}

#[test]
fn problems_are_seen_where_they_are_and_nowhere_else() {
    let table = table();
    let mut wrong = Vec::new();
    for changed in &table.objects {
        let base = table.bases.get(&changed.of).unwrap();
        let object = changed.object(base);
        let found = problems(&kind_of(&object), &object);
        let mut paths: Vec<_> = found.iter().map(|problem| problem.path.clone()).collect();
        let mut expected = changed.problems.clone();
        paths.sort();
        expected.sort();
        if paths != expected {
            let set = Value::from_iter(changed.set.clone());
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            wrong.push(format!(
                "{} {set} -{:?}\n  found {found:#?}",
                changed.of, changed.remove
            ));
        }
        // What was wrong already is not the matter of a change; what a change makes wrong is.
        assert_eq!(new_problems(&kind_of(&object), &object, &object), []);
        assert_eq!(new_problems(&kind_of(&object), base, &object), found);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_problem_that_moved_is_not_new() {
    let kind = GroupVersionKind {
        version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        ..GroupVersionKind::default()
    };
    let pod = |containers: Value| json!({"metadata": {"name": "web"}, "spec": {"containers": containers}});
    let old = json!({"name": "old", "image": "old", "newField": 1});
    let new = json!({"name": "new", "image": "new", "newField": 1});
    let right = json!({"name": "right", "image": "right"});
    let before = pod(json!([old]));
    assert_eq!(new_problems(&kind, &before, &pod(json!([right, old]))), []);
    let found = new_problems(&kind, &before, &pod(json!([old, new])));
    let paths: Vec<_> = found.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["/spec/containers/1/newField"]);
}

#[test]
fn other_kinds_have_no_problems() {
    let object = json!({"apiVersion": "example.com/v1", "kind": "Pod", "spec": {"containers": 3}});
    assert_eq!(problems(&kind_of(&object), &object), []);
}
