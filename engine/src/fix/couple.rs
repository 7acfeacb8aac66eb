//! What goes with a change: a volume with its mounts, a node's port with the type of a Service, a variable's value with where it
//! comes from, what names a port, a volume or a container with its name.

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
        port(object, edit, edits, &mut more);
        volume_name(object, edit, &mut more);
        container_name(object, edit, &mut more);
    }
    // What is changed by itself is changed as it was meant.
    more.retain(|edit| !edits.iter().any(|own| own.path == edit.path));
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
    for container in containers(object, spec) {
        let mounts = below(&container, "volumeMounts");
        let found = at(object, &mounts).and_then(Json::as_array);
        for (place, mount) in found.into_iter().flatten().enumerate() {
            if mount.get("name") == name {
                more.push(removal(below(&mounts, &place.to_string())));
            }
        }
    }
}

/// The containers of the Pod whose spec is here.
fn containers(object: &Json, spec: &[Step]) -> Vec<Vec<Step>> {
    let lists = ["containers", "initContainers", "ephemeralContainers"].map(|list| below(spec, list));
    let each = lists.into_iter().flat_map(|list| {
        let count = at(object, &list).and_then(Json::as_array).map_or(0, Vec::len);
        (0..count).map(move |place| below(&list, &place.to_string()))
    });
    each.collect()
}

/// Sets what was the old value to the new one.
fn follow(object: &Json, path: Vec<Step>, (old, new): (&Json, &Json), more: &mut Vec<Edit>) {
    if at(object, &path) == Some(old) {
        more.push(Edit {
            path,
            action: Action::Set(new.clone()),
            placeholder: None,
        });
    }
}

/// A port of a container, by its number or its name, is where its probes and its hooks look.
fn port(object: &Json, edit: &Edit, edits: &[Edit], more: &mut Vec<Edit>) {
    let names = change::names(&edit.path);
    let (Action::Set(new), [.., "ports", _, "containerPort" | "name"]) = (&edit.action, names.as_slice()) else {
        return;
    };
    let Some(container) = edit.path.get(..edit.path.len().saturating_sub(3)) else {
        return;
    };
    let (Some(old), Some(last)) = (at(object, &edit.path), names.last()) else {
        return;
    };
    // Another protocol on the same port may be what they look at.
    let ports = at(object, &below(container, "ports")).and_then(Json::as_array);
    for (place, other) in ports.into_iter().flatten().enumerate() {
        let path = below(&below(&below(container, "ports"), &place.to_string()), last);
        if other.get(*last) == Some(old) && !edits.iter().any(|edit| edit.path == path) {
            return;
        }
    }
    let places = [
        &["livenessProbe"][..],
        &["readinessProbe"],
        &["startupProbe"],
        &["lifecycle", "postStart"],
        &["lifecycle", "preStop"],
    ];
    for place in places {
        for action in ["httpGet", "tcpSocket", "grpc"] {
            let path = place.iter().chain([&action, &"port"]);
            let path = path.fold(container.to_vec(), |path, name| below(&path, name));
            follow(object, path, (old, new), more);
        }
    }
}

/// A volume by another name is mounted by it.
fn volume_name(object: &Json, edit: &Edit, more: &mut Vec<Edit>) {
    let [spec @ .., volumes, _, name] = edit.path.as_slice() else {
        return;
    };
    let (Action::Set(new), Some(old)) = (&edit.action, at(object, &edit.path)) else {
        return;
    };
    if *volumes != key("volumes") || *name != key("name") {
        return;
    }
    for container in containers(object, spec) {
        for list in ["volumeMounts", "volumeDevices"] {
            let list = below(&container, list);
            let count = at(object, &list).and_then(Json::as_array).map_or(0, Vec::len);
            for place in 0..count {
                let path = below(&below(&list, &place.to_string()), "name");
                follow(object, path, (old, new), more);
            }
        }
    }
}

/// A container by another name is asked for its resources by it.
fn container_name(object: &Json, edit: &Edit, more: &mut Vec<Edit>) {
    let [spec @ .., Step::Key(list), _, name] = edit.path.as_slice() else {
        return;
    };
    let (Action::Set(new), Some(old)) = (&edit.action, at(object, &edit.path)) else {
        return;
    };
    if !list.ends_with("ontainers") || *name != key("name") {
        return;
    }
    let count = |path: &[Step]| at(object, path).and_then(Json::as_array).map_or(0, Vec::len);
    let named = ["resourceFieldRef", "containerName"];
    let mut places: Vec<Vec<Step>> = Vec::new();
    for container in containers(object, spec) {
        let env = below(&container, "env");
        places.extend((0..count(&env)).map(|place| below(&below(&env, &place.to_string()), "valueFrom")));
        let target = below(&container, "targetContainerName");
        follow(object, target, (old, new), more);
    }
    let volumes = below(spec, "volumes");
    for place in 0..count(&volumes) {
        let items = below(&below(&below(&volumes, &place.to_string()), "downwardAPI"), "items");
        places.extend((0..count(&items)).map(|place| below(&items, &place.to_string())));
    }
    for place in places {
        let path = named.iter().fold(place, |path, name| below(&path, name));
        follow(object, path, (old, new), more);
    }
}

#[cfg(test)]
mod tests;
