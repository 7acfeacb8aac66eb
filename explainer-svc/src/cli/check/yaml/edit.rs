//! Patches of a document's text. What is not changed stays as it is: comments, order, quotes, line ends.
//!
//! Whatever the editor makes of it is read again; when that is not exactly the patched document, nothing is changed.

use std::str::FromStr as _;

use json_patch::{Patch, PatchOperation};
use serde_json::Value;
use yaml_edit::{Mapping, Sequence, YamlFile};

use super::read::documents;

/// Why a text was left alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum Refused {
    /// It is not the one document that it was.
    #[error("it has changed since it was read")]
    Changed,
    /// The field is shared by an anchor, or it is written in a way that cannot be edited alone.
    #[error("{0} cannot be changed without changing other fields too; it may be shared by an anchor")]
    Shared(String),
    /// The text does not say what it should after the change.
    #[error("the change cannot be written in the style of this file")]
    Differs,
}

/// The text of one document with a patch applied.
pub(in super::super) fn apply(text: &str, patch: &Patch) -> Result<String, Refused> {
    let [before] = &*documents(text).map_err(|_| Refused::Changed)? else {
        return Err(Refused::Changed);
    };
    let mut expected = before.value.clone();
    json_patch::patch(&mut expected, patch).map_err(|_| Refused::Changed)?;
    let is_json = serde_json::from_str::<Value>(text).is_ok();

    let file = YamlFile::from_str(text).map_err(|_| Refused::Differs)?;
    let document = file.document().ok_or(Refused::Differs)?;
    let root = document.as_mapping().ok_or(Refused::Differs)?;
    for operation in &patch.0 {
        change(&root, operation).ok_or_else(|| Refused::Shared(operation.path().to_string()))?;
    }
    let after = file.to_string();
    let is_right = matches!(documents(&after).as_deref(), Ok([only]) if only.value == expected);
    if is_right && (!is_json || serde_json::from_str::<Value>(&after).is_ok()) {
        Ok(after)
    } else {
        Err(Refused::Differs)
    }
}

/// The steps of a JSON pointer (RFC 6901).
pub(super) fn steps(pointer: &str) -> Vec<String> {
    let steps = pointer.split('/').skip(1);
    steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

/// A collection on the way to a field.
enum Place {
    Map(Mapping),
    List(Sequence),
}

fn change(root: &Mapping, operation: &PatchOperation) -> Option<()> {
    let path = steps(operation.path().as_str());
    let (field, above) = path.split_last()?;
    let mut place = Place::Map(root.clone());
    for step in above {
        place = match place {
            Place::Map(map) => match map.get_mapping(step.as_str()) {
                Some(inner) => Place::Map(inner),
                None => Place::List(map.get_sequence(step.as_str())?),
            },
            Place::List(list) => {
                let item = list.get(step.parse().ok()?)?;
                match item.as_mapping() {
                    Some(inner) => Place::Map(inner.clone()),
                    None => Place::List(item.as_sequence()?.clone()),
                }
            }
        };
    }
    match (operation, place) {
        (PatchOperation::Add(add), Place::Map(map)) => set(&map, field, &add.value),
        (PatchOperation::Replace(replace), Place::Map(map)) => set(&map, field, &replace.value),
        (PatchOperation::Remove(_), Place::Map(map)) => map.remove(field.as_str()).map(|_| ()),
        (PatchOperation::Add(add), Place::List(list)) => {
            let end = list.len();
            let at = if field == "-" { end } else { field.parse().ok()? };
            insert(&list, (at < end).then_some(at), &add.value)
        }
        (PatchOperation::Replace(replace), Place::List(list)) => {
            let at = field.parse().ok()?;
            write(&replace.value, ListItem { list: &list, at })
        }
        (PatchOperation::Remove(_), Place::List(list)) => list.remove(field.parse().ok()?).map(|_| ()),
        _ => None,
    }
}

fn set(map: &Mapping, key: &str, value: &Value) -> Option<()> {
    write(value, Member { map, key })
}

fn insert(list: &Sequence, at: Option<usize>, value: &Value) -> Option<()> {
    write(value, NewItem { list, at })
}

/// Where a value is written.
trait Target {
    fn put(self, value: impl yaml_edit::AsYaml);
}

struct Member<'a> {
    map: &'a Mapping,
    key: &'a str,
}

struct ListItem<'a> {
    list: &'a Sequence,
    at: usize,
}

struct NewItem<'a> {
    list: &'a Sequence,
    at: Option<usize>,
}

impl Target for Member<'_> {
    fn put(self, value: impl yaml_edit::AsYaml) {
        self.map.set(self.key, value);
    }
}

impl Target for ListItem<'_> {
    fn put(self, value: impl yaml_edit::AsYaml) {
        self.list.set(self.at, value);
    }
}

impl Target for NewItem<'_> {
    fn put(self, value: impl yaml_edit::AsYaml) {
        match self.at {
            Some(at) => self.list.insert(at, value),
            None => self.list.push(value),
        }
    }
}

fn write(value: &Value, target: impl Target) -> Option<()> {
    match value {
        Value::Bool(value) => target.put(*value),
        Value::String(value) => target.put(value.as_str()),
        Value::Number(number) => match number.as_i64() {
            Some(number) => target.put(number),
            None => target.put(number.as_f64()?),
        },
        Value::Array(_) | Value::Object(_) => {
            let text = serde_saphyr::to_string(value).ok()?;
            let document = yaml_edit::Document::from_str(&text).ok()?;
            match document.as_mapping() {
                Some(map) => target.put(map),
                None => target.put(document.as_sequence()?),
            }
        }
        Value::Null => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edited(text: &str, patch: Value) -> Result<String, Refused> {
        apply(text, &serde_json::from_value(patch).unwrap())
    }

    const POD: &str = "\
---
# the shop
apiVersion: v1 # stable
kind: Pod
metadata: {name: web, labels: {app: web}} # one line
spec:
  hostNetwork: true # until the proxy is there

  containers:
  # the application
  - securityContext: # why
      privileged: true # for debugging
    name: app
    image: 'nginx'
    args: [\"-c\", 'x: y']
  - name: side
    image: busybox
    resources: {}
# the end
";

    #[test]
    fn comments_order_and_styles_stay() {
        let after = edited(
            POD,
            json!([
                {"op": "replace", "path": "/spec/containers/0/securityContext/privileged", "value": false},
                {"op": "add", "path": "/spec/containers/1/securityContext", "value": {"capabilities": {"drop": ["ALL"]}}},
                {"op": "add", "path": "/metadata/labels/team", "value": "yes"},
                {"op": "add", "path": "/spec/containers/0/args/-", "value": "0644"},
                {"op": "remove", "path": "/spec/hostNetwork"},
            ]),
        )
        .unwrap();
        insta::assert_snapshot!(after);
    }

    #[test]
    fn what_would_change_more_is_refused() {
        let shared = "a: &x\n  b: 1\nc: *x\n";
        let replace = |path: &str| json!([{"op": "replace", "path": path, "value": 2}]);
        assert_eq!(edited(shared, replace("/a/b")), Err(Refused::Differs));
        assert_eq!(edited(shared, replace("/c/b")), Err(Refused::Shared("/c/b".to_owned())));
        assert_eq!(edited("a: 1\n---\nb: 2\n", replace("/a")), Err(Refused::Changed));
        assert_eq!(edited("a: 1\n", replace("/b")), Err(Refused::Changed));
    }

    #[test]
    fn json_stays_json_or_is_left() {
        let text = "{\n  \"a\": {\n    \"b\": true\n  }\n}\n";
        assert_eq!(
            edited(text, json!([{"op": "replace", "path": "/a/b", "value": false}])),
            Ok(text.replace("true", "false"))
        );
        for value in [json!("x"), json!({"c": ["d"]})] {
            match edited(text, json!([{"op": "add", "path": "/a/n", "value": value}])) {
                Ok(after) => assert!(serde_json::from_str::<Value>(&after).is_ok(), "{after}"),
                Err(refused) => assert_eq!(refused, Refused::Differs),
            }
        }
    }

    #[test]
    fn windows_line_ends_stay() {
        let after = edited(
            "a: 1\r\nb:\r\n  c: 2\r\n",
            json!([{"op": "replace", "path": "/b/c", "value": 3}]),
        );
        assert_eq!(after, Ok("a: 1\r\nb:\r\n  c: 3\r\n".to_owned()));
    }
}
