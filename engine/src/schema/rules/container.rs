//! Containers: ports, environment, probes, resources.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Object;

use super::pod::containers;
use super::read::{
    PORT, at_least, elements, exactly_one, get, has, is_port, is_true, none_of, number, object, port as check_port,
    text,
};
use crate::schema::What;
use crate::schema::check::Check;
use crate::schema::path::Path;
use crate::schema::{quantity, syntax};

const PORT_NAME: &str = "must be at most 15 lower-case letters, digits and single '-', with at least one letter";
const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

pub(super) fn container(container: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    match get(container, "image").unwrap_or(&Value::Null) {
        Value::Null => check.missing(&path.key("image")),
        Value::String(image) if image.is_empty() => check.missing(&path.key("image")),
        Value::String(image) if image.trim() != image => {
            check.invalid(&path.key("image"), "must not have spaces at its ends");
        }
        _ => {}
    }
    let is_privileged = object(container, "securityContext").is_some_and(|context| is_true(context, "privileged"));
    for (index, mount) in elements(container, "volumeMounts") {
        if text(mount, "mountPropagation") == Some("Bidirectional") && !is_privileged {
            let path = path.key("volumeMounts");
            check.invalid(
                &path.index(index).key("mountPropagation"),
                "must not be Bidirectional without privileged",
            );
        }
    }
    let policies = ["Always", "Never", "OnFailure"];
    if text(container, "restartPolicy").is_some_and(|policy| !policies.contains(&policy)) {
        let allowed = policies.to_vec();
        check.report(&path.key("restartPolicy"), What::NotListed { allowed });
    }
    let mut names = BTreeSet::new();
    for (index, port) in elements(container, "ports") {
        if text(port, "name").is_some_and(|name| !names.insert(name)) {
            check.report(&path.key("ports").index(index).key("name"), What::Duplicate);
        }
    }
    for key in ["livenessProbe", "startupProbe"] {
        let probe = object(container, key);
        if probe
            .and_then(|probe| number(probe, "successThreshold"))
            .is_some_and(|times| times > 1)
        {
            check.invalid(&path.key(key).key("successThreshold"), "must be 1");
        }
    }
    if object(container, "readinessProbe").is_some_and(|probe| has(probe, "terminationGracePeriodSeconds")) {
        let path = path.key("readinessProbe");
        check.invalid(
            &path.key("terminationGracePeriodSeconds"),
            "must not be set for a readinessProbe",
        );
    }
}

/// What containers may have depends on the list that they are in.
pub(super) fn by_list(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    for (list, index, container) in containers(spec) {
        let path = path.key(list);
        let path = path.index(index);
        match list {
            "initContainers" if text(container, "restartPolicy") != Some("Always") => {
                let why = "is only for init containers with restartPolicy Always";
                none_of(container, &PROBES, &path, why, check);
                none_of(container, &["lifecycle"], &path, why, check);
            }
            "ephemeralContainers" => {
                let why = "is not for ephemeral containers";
                none_of(container, &PROBES, &path, why, check);
                none_of(container, &["lifecycle", "ports", "resizePolicy"], &path, why, check);
                if object(container, "resources").is_some_and(|resources| !resources.is_empty()) {
                    check.invalid(&path.key("resources"), why);
                }
            }
            _ => {}
        }
    }
}

/// Ports of the node: one for each, and the container's own in the node's network.
pub(super) fn host_ports(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let is_on_host = is_true(spec, "hostNetwork");
    let mut taken = BTreeSet::new();
    for (list, index, container) in containers(spec) {
        let path = path.key(list);
        let path = path.index(index);
        let path = path.key("ports");
        for (at, port) in elements(container, "ports") {
            let Some(on_host) = number(port, "hostPort").filter(|port| *port != 0) else {
                continue;
            };
            let path = path.index(at);
            let path = path.key("hostPort");
            if is_on_host && number(port, "containerPort") != Some(on_host) {
                check.invalid(&path, "must be the containerPort when hostNetwork is true");
            }
            let protocol = text(port, "protocol").unwrap_or("TCP");
            // Init containers end before the others start.
            if list == "containers" && !taken.insert((on_host, protocol, text(port, "hostIP"))) {
                check.report(&path, What::Duplicate);
            }
        }
    }
}

pub(super) fn port(port: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if number(port, "containerPort").is_some_and(|port| !is_port(port)) {
        check.invalid(&path.key("containerPort"), PORT);
    }
    check_port(port, "hostPort", path, check);
    if text(port, "name").is_some_and(|name| !syntax::is_port_name(name)) {
        check.invalid(&path.key("name"), PORT_NAME);
    }
}

pub(super) fn variable(variable: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if text(variable, "name").is_some_and(|name| !syntax::is_variable_name(name)) {
        check.invalid(&path.key("name"), "must be printable, without '='");
    }
    if text(variable, "value").is_some() && has(variable, "valueFrom") {
        check.invalid(&path.key("valueFrom"), "must not be there beside a value");
    }
}

pub(super) fn variable_source(source: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let sources = [
        "fieldRef",
        "resourceFieldRef",
        "configMapKeyRef",
        "secretKeyRef",
        "fileKeyRef",
    ];
    exactly_one(source, &sources, path, check);
}

pub(super) fn variables_source(source: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    exactly_one(source, &["configMapRef", "secretRef"], path, check);
}

pub(super) fn probe(probe: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    exactly_one(probe, &["exec", "httpGet", "tcpSocket", "grpc"], path, check);
    let numbers = [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ];
    at_least(0, probe, &numbers, path, check);
    at_least(1, probe, &["terminationGracePeriodSeconds"], path, check);
    command(probe, path, check);
}

pub(super) fn handler(handler: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    exactly_one(handler, &["exec", "httpGet", "sleep", "tcpSocket"], path, check);
    command(handler, path, check);
}

fn command(handler: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if object(handler, "exec").is_some_and(|exec| super::read::items(exec, "command").is_empty()) {
        check.missing(&path.key("exec").key("command"));
    }
}

/// Where a probe or a handler connects to.
pub(super) fn address(action: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let path = path.key("port");
    match get(action, "port") {
        Some(Value::Number(number)) if !number.as_i64().is_some_and(is_port) => check.invalid(&path, PORT),
        Some(Value::String(name)) if !name.is_empty() && !syntax::is_port_name(name) => check.invalid(&path, PORT_NAME),
        _ => {}
    }
}

pub(super) fn resources(resources: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    for key in ["limits", "requests"] {
        for (name, value) in object(resources, key).into_iter().flatten() {
            let path = path.key(key);
            let path = path.key(name);
            if !is_resource(name) {
                check.invalid(&path, RESOURCE);
            } else if quantity::of(value).is_some_and(|amount| amount < 0) {
                check.invalid(&path, "must not be negative");
            }
        }
    }
    let (Some(limits), Some(requests)) = (object(resources, "limits"), object(resources, "requests")) else {
        return;
    };
    for (name, request) in requests {
        let limit = limits.get(name).and_then(quantity::of);
        let request = quantity::of(request);
        let path = path.key("requests");
        match (limit, request) {
            (Some(limit), Some(request)) if request > limit => {
                check.invalid(&path.key(name), "must not be more than the limit");
            }
            (Some(limit), Some(request)) if request != limit && !is_divisible(name) => {
                check.invalid(&path.key(name), "must be the limit for this resource");
            }
            _ => {}
        }
    }
}

const RESOURCE: &str = "must be cpu, memory, ephemeral-storage, hugepages-… or a name with a domain";

fn is_resource(name: &str) -> bool {
    match name.split_once('/') {
        Some(_) => syntax::is_qualified_name(name),
        None => is_divisible(name) || name.starts_with("hugepages-"),
    }
}

/// Whether more of it can be promised than there is.
fn is_divisible(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.contains("kubernetes.io/")
}
