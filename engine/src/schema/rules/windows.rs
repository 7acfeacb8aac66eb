//! What only one operating system knows.

use super::Object;
use super::pod::containers;
use super::read::{has, is_true, none_of, object, text};
use crate::schema::check::Check;
use crate::schema::path::Path;

const NOT_ON_WINDOWS: &str = "must not be set when os.name is windows";
const NOT_ON_LINUX: &str = "must not be set when os.name is linux";

pub(super) fn spec(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let context = object(spec, "securityContext");
    match object(spec, "os").and_then(|os| text(os, "name")) {
        Some("windows") => {
            none_of(
                spec,
                &["hostPID", "hostIPC", "hostUsers", "shareProcessNamespace"],
                path,
                NOT_ON_WINDOWS,
                check,
            );
            if let Some(context) = context {
                let keys = [
                    "appArmorProfile",
                    "seLinuxOptions",
                    "seccompProfile",
                    "fsGroup",
                    "fsGroupChangePolicy",
                    "sysctls",
                    "runAsUser",
                    "runAsGroup",
                    "supplementalGroups",
                    "supplementalGroupsPolicy",
                ];
                none_of(context, &keys, &path.key("securityContext"), NOT_ON_WINDOWS, check);
            }
            let keys = [
                "appArmorProfile",
                "seLinuxOptions",
                "seccompProfile",
                "capabilities",
                "readOnlyRootFilesystem",
                "privileged",
                "allowPrivilegeEscalation",
                "procMount",
                "runAsUser",
                "runAsGroup",
            ];
            in_containers(spec, &keys, NOT_ON_WINDOWS, path, check);
        }
        Some("linux") => {
            if let Some(context) = context {
                none_of(
                    context,
                    &["windowsOptions"],
                    &path.key("securityContext"),
                    NOT_ON_LINUX,
                    check,
                );
            }
            in_containers(spec, &["windowsOptions"], NOT_ON_LINUX, path, check);
        }
        _ => {}
    }
    host_process(spec, path, check);
}

fn in_containers(spec: &Object, keys: &[&str], why: &'static str, path: &Path<'_>, check: &mut Check<'_>) {
    for (list, index, container) in containers(spec) {
        if let Some(context) = object(container, "securityContext") {
            let path = path.key(list);
            let path = path.index(index);
            none_of(context, keys, &path.key("securityContext"), why, check);
        }
    }
}

/// All containers are processes of the node or none is, and then the network is the node's.
fn host_process(spec: &Object, path: &Path<'_>, check: &mut Check<'_>) {
    let options =
        |of: &Object| object(of, "securityContext").and_then(|context| object(context, "windowsOptions").cloned());
    let of_pod = options(spec);
    let is_of_pod = of_pod.as_ref().is_some_and(|options| is_true(options, "hostProcess"));
    let is_process = |container: &Object| match options(container) {
        Some(options) if has(&options, "hostProcess") => is_true(&options, "hostProcess"),
        _ => is_of_pod,
    };
    let (processes, others): (Vec<_>, Vec<_>) = containers(spec).partition(|(_, _, container)| is_process(container));
    if processes.is_empty() {
        return;
    }
    if !is_true(spec, "hostNetwork") {
        check.invalid(
            &path.key("hostNetwork"),
            "must be true when containers are processes of the node",
        );
    }
    for (list, index, _) in others {
        check.invalid(
            &path.key(list).index(index),
            "must be a process of the node (hostProcess) as the others are",
        );
    }
}
