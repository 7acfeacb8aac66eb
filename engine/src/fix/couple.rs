//! What goes with a change: a volume with its mounts, a node's port with the type of a Service, a variable's value with where it
//! comes from.

use serde_json::{Value as Json, json};

use super::change::{self, Action, Edit, Step};
use super::texts::FILL_IN;

/// Adds what goes with these edits.
pub(super) fn couple(object: &Json, edits: &mut Vec<Edit>) {
    let mut more = Vec::new();
    for edit in edits.iter() {
        node_ports(object, edit, &mut more);
        variable(object, edit, &mut more);
        secret(object, edit, &mut more);
        mounts(object, edit, &mut more);
    }
    more.retain(|edit| !edits.contains(edit));
    edits.extend(more);
}

fn removal(path: Vec<Step>) -> Edit {
    Edit {
        path,
        action: Action::Remove,
        placeholder: None,
    }
}

fn key(name: &str) -> Step {
    Step::Key(name.to_owned())
}

/// The path with one more name.
fn below(path: &[Step], name: &str) -> Vec<Step> {
    let mut path = path.to_vec();
    path.push(key(name));
    path
}

/// What is at a path now.
fn at<'o>(object: &'o Json, path: &[Step]) -> Option<&'o Json> {
    object.pointer(&change::pointer(path)?)
}

/// A Service inside of the cluster has no ports on nodes.
fn node_ports(object: &Json, edit: &Edit, more: &mut Vec<Edit>) {
    let is_inside = matches!(&edit.action, Action::Set(value) if value.as_str() == Some("ClusterIP"));
    if !is_inside || change::names(&edit.path) != ["spec", "type"] {
        return;
    }
    let ports = object.pointer("/spec/ports").and_then(Json::as_array);
    for (place, port) in ports.into_iter().flatten().enumerate() {
        if port.get("nodePort").is_some() {
            more.push(removal(change::steps(&format!("/spec/ports/{place}/nodePort"))));
        }
    }
}

/// A variable has a value or comes from one place.
fn variable(object: &Json, edit: &Edit, more: &mut Vec<Edit>) {
    if !matches!(edit.action, Action::Set(_)) || !edit.path.contains(&key("env")) {
        return;
    }
    let Some(from) = edit.path.iter().position(|step| *step == key("valueFrom")) else {
        return;
    };
    let value = below(edit.path.get(..from).unwrap_or_default(), "value");
    if at(object, &value).is_some() {
        more.push(removal(value));
    }
    let (Some(place), Some(Step::Key(own))) = (edit.path.get(..=from), edit.path.get(from + 1)) else {
        return;
    };
    let there = at(object, place).and_then(Json::as_object);
    for other in there
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .filter(|name| *name != own)
    {
        more.push(removal(below(place, other)));
    }
}

/// A secret that is written out gets its value from a Secret.
fn secret(object: &Json, edit: &Edit, more: &mut Vec<Edit>) {
    let names = change::names(&edit.path);
    if edit.action != Action::Remove || !matches!(names.as_slice(), [.., "env", _, "value"]) {
        return;
    }
    let Some((_, variable)) = edit.path.split_last() else {
        return;
    };
    let name = at(object, variable).and_then(|variable| variable.get("name")?.as_str());
    let name = name.unwrap_or_default().to_lowercase().replace('_', "-");
    more.push(Edit {
        path: below(variable, "valueFrom"),
        action: Action::Set(json!({"secretKeyRef": {"name": FILL_IN, "key": name}})),
        placeholder: edit.placeholder.clone(),
    });
}

/// A volume goes with its mounts.
fn mounts(object: &Json, edit: &Edit, more: &mut Vec<Edit>) {
    let [spec @ .., volumes, Step::Key(position)] = edit.path.as_slice() else {
        return;
    };
    if edit.action != Action::Remove || *volumes != key("volumes") || position.parse::<usize>().is_err() {
        return;
    }
    let name = at(object, &edit.path).and_then(|volume| volume.get("name"));
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        let list = below(spec, list);
        let containers = at(object, &list).and_then(Json::as_array);
        for (place, container) in containers.into_iter().flatten().enumerate() {
            let mounts = container.get("volumeMounts").and_then(Json::as_array);
            for (mount, found) in mounts.into_iter().flatten().enumerate() {
                if found.get("name") == name {
                    let path = below(&below(&list, &place.to_string()), "volumeMounts");
                    more.push(removal(below(&path, &mount.to_string())));
                }
            }
        }
    }
}
