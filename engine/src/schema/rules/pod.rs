//! A Pod's specification, in a Pod or in a template.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Object;
use super::container;
use super::metadata::{KEY, VALUE, dns_label, dns_subdomain, label_map};
use super::read::{at_least, elements, get, has, is_true, items, number, object, text};
use super::{security, volume, windows};
use crate::schema::What;
use crate::schema::check::Check;
use crate::schema::path::Path;
use crate::schema::syntax;

/// What a Pod starts, in which lists.
pub(super) const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Each container, with its list and its index.
pub(super) fn containers(spec: &Object) -> impl Iterator<Item = (&'static str, usize, &Object)> {
    CONTAINERS
        .into_iter()
        .flat_map(|list| elements(spec, list).map(move |(index, container)| (list, index, container)))
}

pub(super) fn spec(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if has(spec, "containers") && items(spec, "containers").is_empty() {
        check.missing(&path.key("containers"));
    }
    container_names(spec, path, check);
    container::by_list(spec, path, check);
    container::host_ports(spec, path, check);
    volume::mounts_exist(spec, path, check);
    security::users(spec, path, check);
    security::host_users(spec, path, check);
    security::sysctls(spec, path, check);
    windows::spec(spec, path, check);
    at_least(1, spec, &["activeDeadlineSeconds"], path, check);
    for key in [
        "serviceAccountName",
        "nodeName",
        "priorityClassName",
        "runtimeClassName",
    ] {
        if let Some(name) = text(spec, key) {
            dns_subdomain(name, &path.key(key), check);
        }
    }
    for key in ["hostname", "subdomain"] {
        if let Some(name) = text(spec, key) {
            dns_label(name, &path.key(key), check);
        }
    }
    if let Some(labels) = object(spec, "nodeSelector") {
        label_map(labels, &path.key("nodeSelector"), check);
    }
    let nameservers = object(spec, "dnsConfig").map_or(0, |config| items(config, "nameservers").len());
    if text(spec, "dnsPolicy") == Some("None") && nameservers == 0 {
        check.invalid(&path.key("dnsConfig"), "must name a server when dnsPolicy is None");
    }
    if is_true(spec, "hostPID") && is_true(spec, "shareProcessNamespace") {
        check.invalid(
            &path.key("shareProcessNamespace"),
            "must not be true when hostPID is true",
        );
    }
}

/// The list's keys say that names differ in one list; they must differ in all three.
fn container_names(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let mut seen = BTreeSet::new();
    for (list, index, container) in containers(spec) {
        let Some(name) = text(container, "name") else {
            continue;
        };
        let path = path.key(list);
        let path = path.index(index);
        dns_label(name, &path.key("name"), check);
        let is_in_this_list =
            || elements(spec, list).any(|(at, other)| at < index && text(other, "name") == Some(name));
        if !seen.insert(name) && !is_in_this_list() {
            check.report(&path.key("name"), What::Duplicate);
        }
    }
}

pub(super) fn toleration(toleration: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let operator = text(toleration, "operator").unwrap_or("Equal");
    if text(toleration, "key").is_some_and(|key| !syntax::is_qualified_name(key)) {
        check.invalid(&path.key("key"), KEY);
    }
    if text(toleration, "value").is_some_and(|value| !syntax::is_label_value(value)) {
        check.invalid(&path.key("value"), VALUE);
    }
    if !has_text(toleration, "key") && operator != "Exists" {
        check.invalid(&path.key("operator"), "must be Exists when there is no key");
    }
    if operator == "Exists" && has_text(toleration, "value") {
        check.invalid(&path.key("value"), "must be empty when the operator is Exists");
    }
    if number(toleration, "tolerationSeconds").is_some() && text(toleration, "effect") != Some("NoExecute") {
        check.invalid(
            &path.key("effect"),
            "must be NoExecute when there are tolerationSeconds",
        );
    }
}

fn has_text(object: &Object, key: &str) -> bool {
    text(object, key).is_some()
}

pub(super) fn spread(constraint: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    at_least(1, constraint, &["maxSkew", "minDomains"], path, check);
}

pub(super) fn weight(term: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if number(term, "weight").is_some_and(|weight| !(1..=100).contains(&weight)) {
        check.invalid(&path.key("weight"), "must be between 1 and 100");
    }
}

pub(super) fn affinity_term(term: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if text(term, "topologyKey").is_some_and(|key| !syntax::is_qualified_name(key)) {
        check.invalid(&path.key("topologyKey"), KEY);
    }
}

pub(super) fn node_selector(selector: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if has(selector, "nodeSelectorTerms") && items(selector, "nodeSelectorTerms").is_empty() {
        check.missing(&path.key("nodeSelectorTerms"));
    }
}

pub(super) fn host_alias(alias: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let ip = get(alias, "ip").and_then(Value::as_str);
    if ip.is_some_and(|ip| ip.parse::<std::net::IpAddr>().is_err()) {
        check.invalid(&path.key("ip"), "must be an IP address");
    }
}
