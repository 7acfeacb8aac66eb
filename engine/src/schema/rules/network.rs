//! Services, Ingresses and network policies.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Object;
use super::metadata::{dns_label, label_map};
use super::read::{PORT, elements, exactly_one, get, has, is_port, items, number, object, port, text};
use crate::schema::What;
use crate::schema::check::Check;
use crate::schema::path::Path;
use crate::schema::syntax;

pub(super) fn service(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let kind = text(spec, "type").unwrap_or("ClusterIP");
    let is_external = matches!(kind, "NodePort" | "LoadBalancer");
    let is_headless = text(spec, "clusterIP") == Some("None");
    if kind == "ExternalName" {
        if text(spec, "externalName").is_none() {
            check.missing(&path.key("externalName"));
        }
        if text(spec, "clusterIP").is_some() {
            check.invalid(&path.key("clusterIP"), "must not be set for an ExternalName");
        }
    } else if items(spec, "ports").is_empty() && !is_headless {
        check.missing(&path.key("ports"));
    }
    if is_headless && is_external {
        check.invalid(&path.key("clusterIP"), "must not be None for this type");
    }
    ports(spec, is_external, path, check);
    if let Some(selector) = object(spec, "selector") {
        label_map(selector, &path.key("selector"), check);
    }
    if !is_external && text(spec, "externalTrafficPolicy").is_some() && items(spec, "externalIPs").is_empty() {
        check.invalid(
            &path.key("externalTrafficPolicy"),
            "is only for NodePort and LoadBalancer",
        );
    }
    if kind != "LoadBalancer" {
        for key in [
            "allocateLoadBalancerNodePorts",
            "loadBalancerClass",
            "loadBalancerSourceRanges",
        ] {
            let is_empty = get(spec, key).and_then(Value::as_array).is_some_and(Vec::is_empty);
            if has(spec, key) && !is_empty {
                check.invalid(&path.key(key), "is only for LoadBalancer");
            }
        }
    }
    let is_local = text(spec, "externalTrafficPolicy") == Some("Local");
    if number(spec, "healthCheckNodePort").is_some_and(|port| port != 0) && !(kind == "LoadBalancer" && is_local) {
        let why = "is only for LoadBalancer with externalTrafficPolicy Local";
        check.invalid(&path.key("healthCheckNodePort"), why);
    }
}

fn ports(spec: &Object, is_external: bool, path: &Path<'_>, check: &mut Check<'_>) {
    let path = path.key("ports");
    let are_many = items(spec, "ports").len() > 1;
    let (mut names, mut nodes) = (BTreeSet::new(), BTreeSet::new());
    for (index, port) in elements(spec, "ports") {
        let path = path.index(index);
        match text(port, "name") {
            Some(name) if !names.insert(name) => check.report(&path.key("name"), What::Duplicate),
            None if are_many => check.missing(&path.key("name")),
            _ => {}
        }
        let Some(on_node) = number(port, "nodePort").filter(|port| *port != 0) else {
            continue;
        };
        if !is_external {
            check.invalid(&path.key("nodePort"), "is only for NodePort and LoadBalancer");
        } else if !nodes.insert((on_node, text(port, "protocol").unwrap_or("TCP"))) {
            check.report(&path.key("nodePort"), What::Duplicate);
        }
    }
}

pub(super) fn service_port(of: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if number(of, "port").is_some_and(|port| !is_port(port)) {
        check.invalid(&path.key("port"), PORT);
    }
    port(of, "nodePort", path, check);
    if let Some(name) = text(of, "name") {
        dns_label(name, &path.key("name"), check);
    }
    let path = path.key("targetPort");
    match get(of, "targetPort") {
        Some(Value::Number(number)) if !number.as_i64().is_some_and(|port| port == 0 || is_port(port)) => {
            check.invalid(&path, PORT);
        }
        Some(Value::String(name)) if !name.is_empty() && !syntax::is_port_name(name) => {
            check.invalid(&path, "must be the number or the name of a port");
        }
        _ => {}
    }
}

pub(super) fn ingress(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if items(spec, "rules").is_empty() && !has(spec, "defaultBackend") {
        check.invalid(path, "must have rules or a defaultBackend");
    }
    for (index, rule) in elements(spec, "rules") {
        let host = text(rule, "host").map(|host| host.strip_prefix("*.").unwrap_or(host));
        if host.is_some_and(|host| !syntax::is_dns_subdomain(host)) {
            check.invalid(&path.key("rules").index(index).key("host"), "must be a domain name");
        }
    }
}

pub(super) fn ingress_rule(rule: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if has(rule, "paths") && items(rule, "paths").is_empty() {
        check.missing(&path.key("paths"));
    }
}

pub(super) fn ingress_path(of: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let target = text(of, "path");
    let is_plain = matches!(text(of, "pathType"), Some("Exact" | "Prefix"));
    if (is_plain || target.is_some()) && !target.is_some_and(|target| target.starts_with('/')) {
        check.invalid(&path.key("path"), "must begin with '/'");
    }
}

pub(super) fn backend(backend: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    exactly_one(backend, &["service", "resource"], path, check);
    if object(backend, "service").is_some_and(|service| !has(service, "port")) {
        check.missing(&path.key("service").key("port"));
    }
}

pub(super) fn backend_port(of: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let number = number(of, "number").filter(|number| *number != 0);
    if number.is_some() == text(of, "name").is_some() {
        check.invalid(path, "must have exactly one of name, number");
    }
    port(of, "number", path, check);
}

pub(super) fn peer(peer: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let is_selected = has(peer, "podSelector") || has(peer, "namespaceSelector");
    if has(peer, "ipBlock") && is_selected {
        check.invalid(&path.key("ipBlock"), "must not be there beside a selector");
    } else if !has(peer, "ipBlock") && !is_selected {
        check.invalid(path, "must say which peers");
    }
}

pub(super) fn policy_port(of: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let first = number(of, "port");
    if get(of, "port").is_some_and(Value::is_number) && !first.is_some_and(is_port) {
        check.invalid(&path.key("port"), PORT);
    }
    if text(of, "port").is_some_and(|name| !syntax::is_port_name(name)) {
        check.invalid(&path.key("port"), "must be the number or the name of a port");
    }
    if let (Some(first), Some(last)) = (first, number(of, "endPort"))
        && last < first
    {
        check.invalid(&path.key("endPort"), "must not be less than the port");
    }
    if has(of, "endPort") && first.is_none() {
        check.invalid(&path.key("endPort"), "must only be there beside a port with a number");
    }
}
