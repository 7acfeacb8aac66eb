//! Security contexts.

use super::Object;
use super::pod::containers;
use super::read::{at_least, elements, has, is_false, is_true, none_of, number, object, text, texts};
use crate::schema::check::Check;
use crate::schema::path::Path;

pub(super) fn context(context: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    at_least(0, context, &["runAsUser", "runAsGroup"], path, check);
    if !is_false(context, "allowPrivilegeEscalation") {
        return;
    }
    let path = path.key("allowPrivilegeEscalation");
    if is_true(context, "privileged") {
        check.invalid(&path, "must not be false when privileged is true");
    }
    let capabilities = object(context, "capabilities");
    if capabilities.is_some_and(|capabilities| texts(capabilities, "add").any(|(_, name)| name == "CAP_SYS_ADMIN")) {
        check.invalid(&path, "must not be false when CAP_SYS_ADMIN is added");
    }
}

pub(super) fn pod_context(context: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    at_least(0, context, &["runAsUser", "runAsGroup", "fsGroup"], path, check);
}

/// seccomp, `AppArmor`: a profile on the node has a name, and no other one has.
pub(super) fn profile(profile: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    match (text(profile, "type"), text(profile, "localhostProfile").is_some()) {
        (Some("Localhost"), false) => check.missing(&path.key("localhostProfile")),
        (Some(kind), true) if kind != "Localhost" => {
            check.invalid(&path.key("localhostProfile"), "must only be set for the type Localhost");
        }
        _ => {}
    }
}

/// The API server takes a container that must not run as root and does; the kubelet never starts it.
pub(super) fn users(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let of_pod = object(spec, "securityContext");
    for (list, index, container) in containers(spec) {
        let own = object(container, "securityContext");
        let user = own.and_then(|own| number(own, "runAsUser"));
        let must_not = own.filter(|own| has(own, "runAsNonRoot")).or(of_pod);
        let is_forbidden = must_not.is_some_and(|context| is_true(context, "runAsNonRoot"));
        let (user, is_own) = match user {
            Some(user) => (Some(user), true),
            None => (of_pod.and_then(|pod| number(pod, "runAsUser")), false),
        };
        if !is_forbidden || user != Some(0) {
            continue;
        }
        let why = "must not be 0 when runAsNonRoot is true: the container would not start";
        if is_own {
            let path = path.key(list);
            let path = path.index(index);
            check.invalid(&path.key("securityContext").key("runAsUser"), why);
        } else {
            check.invalid(&path.key("securityContext").key("runAsUser"), why);
            return;
        }
    }
}

/// Settings of the kernel that belong to a namespace which is the node's.
pub(super) fn sysctls(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let Some(context) = object(spec, "securityContext") else {
        return;
    };
    let of_ipc = ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];
    for (index, sysctl) in elements(context, "sysctls") {
        let name = text(sysctl, "name").unwrap_or_default().replace('/', ".");
        let path = path.key("securityContext");
        let path = path.key("sysctls");
        let path = path.index(index);
        if is_true(spec, "hostNetwork") && name.starts_with("net.") {
            check.invalid(&path.key("name"), "must not be set when hostNetwork is true");
        }
        if is_true(spec, "hostIPC") && of_ipc.iter().any(|prefix| name.starts_with(prefix)) {
            check.invalid(&path.key("name"), "must not be set when hostIPC is true");
        }
    }
}

/// A user namespace of its own cannot share the node's other namespaces.
pub(super) fn host_users(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    if !is_false(spec, "hostUsers") {
        return;
    }
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        if is_true(spec, key) {
            check.invalid(&path.key(key), "must not be true when hostUsers is false");
        }
    }
    for (list, index, container) in containers(spec) {
        let path = path.key(list);
        let path = path.index(index);
        none_of(
            container,
            &["volumeDevices"],
            &path,
            "must not be there when hostUsers is false",
            check,
        );
    }
}
