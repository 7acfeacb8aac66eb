//! Volumes and where they are mounted.

use std::collections::BTreeSet;

use super::Object;
use super::metadata::dns_label;
use super::pod::containers;
use super::read::{elements, has, is_true, number, object, text};
use crate::schema::What;
use crate::schema::check::Check;
use crate::schema::path::Path;
use crate::schema::quantity;

pub(super) fn volume(volume: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if let Some(name) = text(volume, "name") {
        dns_label(name, &path.key("name"), check);
    }
    let mut sources = volume.keys().filter(|key| *key != "name" && has(volume, key));
    // None is an emptyDir.
    if sources.nth(1).is_some() {
        check.invalid(path, "must have one source");
    }
}

/// Every mount and device has a volume.
pub(super) fn mounts_exist(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let volumes: BTreeSet<_> = elements(spec, "volumes")
        .filter_map(|(_, volume)| text(volume, "name"))
        .chain(check.claims.iter().copied())
        .collect();
    for (list, index, container) in containers(spec) {
        for key in ["volumeMounts", "volumeDevices"] {
            for (at, mount) in elements(container, key) {
                if text(mount, "name").is_some_and(|name| !volumes.contains(name)) {
                    let path = path.key(list);
                    let path = path.index(index);
                    check.invalid(&path.key(key).index(at).key("name"), "must be the name of a volume");
                }
            }
        }
    }
}

pub(super) fn mount(mount: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if text(mount, "mountPath").is_some_and(|target| target.contains(':')) {
        check.invalid(&path.key("mountPath"), "must not contain ':'");
    }
    match text(mount, "recursiveReadOnly") {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") if is_true(mount, "readOnly") => {}
        Some("Enabled" | "IfPossible") => {
            check.invalid(&path.key("recursiveReadOnly"), "is only for a mount that is readOnly");
        }
        Some(_) => {
            let allowed = vec!["Disabled", "Enabled", "IfPossible"];
            check.report(&path.key("recursiveReadOnly"), What::NotListed { allowed });
        }
    }
    if text(mount, "subPath").is_some() && text(mount, "subPathExpr").is_some() {
        check.invalid(&path.key("subPathExpr"), "must not be there beside a subPath");
    }
    for key in ["subPath", "subPathExpr"] {
        if text(mount, key).is_some_and(|inner| inner.starts_with('/') || climbs(inner)) {
            check.invalid(&path.key(key), "must be a path below the volume, without '..'");
        }
    }
}

pub(super) fn empty_dir(source: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if source
        .get("sizeLimit")
        .and_then(quantity::of)
        .is_some_and(|amount| amount < 0)
    {
        check.invalid(&path.key("sizeLimit"), "must not be negative");
    }
}

pub(super) fn host_path(source: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if text(source, "path").is_some_and(climbs) {
        check.invalid(&path.key("path"), "must not contain '..'");
    }
}

pub(super) fn nfs(source: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if text(source, "path").is_some_and(|target| !target.starts_with('/')) {
        check.invalid(&path.key("path"), "must begin with '/'");
    }
}

/// A volume of files that are made of something.
pub(super) fn files(source: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    mode(source, "defaultMode", path, check);
    // Which of the types this is.
    let name = match path.name() {
        "configMap" => "name",
        "secret" => "secretName",
        _ => return,
    };
    if text(source, name).is_none() {
        check.missing(&path.key(name));
    }
}

fn mode(of: &Object, key: &str, path: &Path<'_>, check: &mut Check<'_>) {
    if number(of, key).is_some_and(|mode| !(0..=0o777).contains(&mode)) {
        check.invalid(&path.key(key), "must be between 0 and 0777 (511)");
    }
}

pub(super) fn projection(source: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if source.keys().filter(|key| has(source, key)).nth(1).is_some() {
        check.invalid(path, "must have one source");
    }
}

pub(super) fn ephemeral(source: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if !has(source, "volumeClaimTemplate") {
        check.missing(&path.key("volumeClaimTemplate"));
    }
}

pub(super) fn item(item: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    mode(item, "mode", path, check);
    if text(item, "path").is_some_and(|target| target.starts_with('/') || climbs(target)) {
        check.invalid(&path.key("path"), "must be a path below the volume, without '..'");
    }
}

fn climbs(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

/// The names of the claims that a `StatefulSet` makes.
pub(super) fn claim_names(spec: &Object) -> Vec<&str> {
    elements(spec, "volumeClaimTemplates")
        .filter_map(|(_, claim)| text(object(claim, "metadata")?, "name"))
        .collect()
}
