//! The policy sets that are measured.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, anyhow, bail};
use engine::{
    admission::Review,
    context::{Context, Namespace},
    eval::PolicySet,
    policy::{
        self,
        bundle::Bundle,
        settings::{Override, Settings},
    },
    verdict::Action,
};
use serde_json::json;
use wasm_tests::fixtures::repository;

use crate::{
    Arguments,
    five::Gatekeeper,
    reviews::{Fault, LABELS, REGISTRY, Size, review},
};

/// The five policies of the comparison, as the library has them.
const FIVE: [&str; 5] = [
    "pod-security/baseline/privileged-containers",
    "general/required-labels",
    "general/allowed-registries",
    "pod-security/baseline/host-namespaces",
    "general/resource-limits",
];

/// The five policies: those of the folder that was asked for, or the same templates and constraints as the others get.
pub(crate) fn five(arguments: &Arguments) -> Result<Bundle> {
    if let Some(folder) = &arguments.policies {
        return built(folder, &arguments.output);
    }
    let folder = Gatekeeper::read(&arguments.gatekeeper_policies)?.write(&arguments.output)?;
    let mut files = Vec::new();
    for policy in fs::read_dir(&folder)? {
        for file in fs::read_dir(policy?.path())? {
            let path = file?.path();
            let name = path.strip_prefix(&folder).unwrap_or(&path).display().to_string();
            files.push((name, fs::read_to_string(&path)?));
        }
    }
    Ok(Bundle::new(Settings::default(), files))
}

/// The first of the five as it is, and copies of all that neither it nor a fault of the first kind concerns: whatever the
/// number, a review is denied by one policy or by none, as in a cluster.
pub(crate) fn many(count: usize) -> Result<Bundle> {
    let [denying, others @ ..] = FIVE;
    let mut files = library(&[denying])?;
    files.extend(copies(&others, count.saturating_sub(1))?);
    Ok(bundle(files))
}

/// [`many`] for Pods, and so many copies that are for config maps, which concern no Pod.
pub(crate) fn many_with_others(count: usize, others: usize) -> Result<Bundle> {
    let pods = many(count)?;
    let mut files: Vec<(String, String)> = pods.files.into_iter().map(|file| (file.path, file.text)).collect();
    for (path, text) in copies(&FIVE, others)? {
        let elsewhere = text.replace("kinds: [Pod]", "kinds: [ConfigMap]");
        if elsewhere == text {
            bail!("{path} does not name its kind as this bench expects it");
        }
        let elsewhere = renamed(&elsewhere, |package| format!("elsewhere.{package}"))?;
        files.push((format!("elsewhere/{path}"), elsewhere));
    }
    Ok(bundle(files))
}

/// Twenty policies of the library that concern Pods, each another one: more than most clusters ask of one Pod.
pub(crate) fn twenty() -> Result<Bundle> {
    const OTHERS: [&str; 15] = [
        "general/no-latest-tag",
        "general/no-plain-secrets",
        "pod-security/baseline/apparmor",
        "pod-security/baseline/capabilities",
        "pod-security/baseline/host-path-volumes",
        "pod-security/baseline/host-ports",
        "pod-security/baseline/host-probes",
        "pod-security/baseline/proc-mount",
        "pod-security/baseline/seccomp",
        "pod-security/baseline/selinux",
        "pod-security/baseline/sysctls",
        "pod-security/baseline/windows-host-process",
        "pod-security/restricted/proc-mount",
        "pod-security/restricted/run-as-user",
        "pod-security/restricted/volume-types",
    ];
    Ok(bundle(library(&[&FIVE[..], &OTHERS].concat())?))
}

/// Compiled, as the filter does it.
pub(crate) fn compile(bundle: &Bundle) -> Result<PolicySet> {
    // A constraint asks for the labels of the namespace.
    let namespaces = [("shop".to_owned(), Namespace::default())].into();
    let context = Context {
        namespaces,
        ..Context::default()
    };
    policy::compile::compile(bundle, context).map_err(|problems| anyhow!(policy::list(&problems)))
}

/// Says so when a set does not say of the reviews what it is measured for.
pub(crate) fn check(set: &PolicySet) -> Result<()> {
    for fault in [None, Some(Fault::Privileged)] {
        let review = Review::parse(&review(Size::Usual, 0, fault.as_slice())?)?;
        let verdict = set.evaluate(&review);
        let denied = usize::from(fault.is_some());
        if !verdict.failures().is_empty() || verdict.violations().count() != denied {
            bail!("expected {denied} violations of {fault:?}, got {verdict:?}");
        }
    }
    Ok(())
}

/// Writes a bundle for Envoy.
pub(crate) fn write(bundle: &Bundle, folder: &Path, name: &str) -> Result<PathBuf> {
    let file = folder.join(format!("{name}.bundle.json"));
    fs::write(&file, bundle.to_json())?;
    Ok(file)
}

/// Everything on and denying, with parameters for what the reviews have. Settings for no policy would be refused.
fn bundle(files: Vec<(String, String)>) -> Bundle {
    let mut settings = Settings::default();
    for (policy, parameters) in [
        ("", json!({})),
        ("general/required-labels", json!({"labels": LABELS})),
        ("general/allowed-registries", json!({"registries": [REGISTRY]})),
        (
            "general/resource-limits",
            json!({"limits": ["cpu", "memory"], "requests": []}),
        ),
    ] {
        if files.iter().any(|(path, _)| path.contains(policy)) {
            let entry = Override {
                enabled: Some(true),
                action: Some(Action::Deny.into()),
                parameters: parameters
                    .as_object()
                    .cloned()
                    .unwrap_or_default()
                    .into_iter()
                    .collect(),
                ..Override::default()
            };
            settings.policies.insert(format!("*{policy}*"), entry);
        }
    }
    Bundle::new(settings, files)
}

fn library(ids: &[&str]) -> Result<Vec<(String, String)>> {
    ids.iter()
        .map(|id| {
            let path = repository("policies").join(id).join("policy.rego");
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            Ok((format!("{id}/policy.rego"), text))
        })
        .collect()
}

/// The policies one after the other, each in a package of its own.
fn copies(ids: &[&str], count: usize) -> Result<Vec<(String, String)>> {
    let originals = library(ids)?;
    originals
        .iter()
        .cycle()
        .take(count)
        .enumerate()
        .map(|(number, (path, text))| {
            let text = renamed(text, |package| format!("{package}_{number:04}"))?;
            Ok((format!("{number:04}/{path}"), text))
        })
        .collect()
}

fn renamed(text: &str, name: impl Fn(&str) -> String) -> Result<String> {
    let line = text
        .lines()
        .find(|line| line.starts_with("package "))
        .context("a policy without a package")?;
    let package = line.trim_start_matches("package ").trim();
    Ok(text.replacen(line, &format!("package {}", name(package)), 1))
}

fn built(folder: &Path, output: &Path) -> Result<Bundle> {
    let file = output.join("five.built.json");
    let program = repository("build/bin/whynot");
    let made = Command::new(&program)
        .args(["policy", "build"])
        .arg(folder)
        .arg("-o")
        .arg(&file)
        .output()
        .with_context(|| program.display().to_string())?;
    if !made.status.success() {
        bail!(
            "whynot policy build {}: {}",
            folder.display(),
            String::from_utf8_lossy(&made.stderr)
        );
    }
    Bundle::from_json(&fs::read(&file)?).map_err(|problems| anyhow!(policy::list(&problems)))
}
