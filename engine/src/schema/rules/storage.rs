//! What Pods read and where they keep things.

use super::Object;
use super::metadata::dns_subdomain;
use super::read::{get, has, items, object, text, texts};
use crate::schema::What;
use crate::schema::check::Check;
use crate::schema::path::Path;
use crate::schema::{quantity, syntax};

const KEY: &str = "must be letters, digits, '-', '_' and '.'";

/// A `ConfigMap` or a Secret.
pub(super) fn data(whole: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let mut size = 0;
    for key in ["data", "binaryData", "stringData"] {
        for (name, value) in object(whole, key).into_iter().flatten() {
            size += value.as_str().map_or(0, str::len);
            if !syntax::is_config_key(name) {
                check.invalid(&path.key(key).key(name), KEY);
            }
            if key == "binaryData" && object(whole, "data").is_some_and(|data| has(data, name)) {
                check.report(&path.key(key).key(name), What::Duplicate);
            }
        }
    }
    // A MiB, and what base64 adds.
    if size > 1024 * 1024 * 4 / 3 {
        check.invalid(&path.key("data"), "must not be longer than 1 MiB in all");
    }
}

/// A reference to a `ConfigMap` or a Secret, or to a key of one.
pub(super) fn reference(reference: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    match text(reference, "name") {
        None => check.missing(&path.key("name")),
        Some(name) => dns_subdomain(name, &path.key("name"), check),
    }
    if text(reference, "key").is_some_and(|key| !syntax::is_config_key(key)) {
        check.invalid(&path.key("key"), KEY);
    }
}

pub(super) fn claim(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let modes = items(spec, "accessModes").len();
    if modes == 0 {
        check.missing(&path.key("accessModes"));
    }
    if modes > 1 && texts(spec, "accessModes").any(|(_, mode)| mode == "ReadWriteOncePod") {
        check.invalid(&path.key("accessModes"), "must be ReadWriteOncePod alone");
    }
    let requests = object(spec, "resources").and_then(|resources| object(resources, "requests"));
    let storage = requests.and_then(|requests| get(requests, "storage"));
    let path = path.key("resources");
    match storage.map(quantity::of) {
        None => check.missing(&path.key("requests").key("storage")),
        Some(Some(amount)) if amount <= 0 => {
            check.invalid(&path.key("requests").key("storage"), "must be more than 0");
        }
        Some(_) => {}
    }
}
