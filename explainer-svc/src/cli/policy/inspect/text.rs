//! A survey for people.

use std::fmt::Write as _;

use engine::policy::settings::{Enforcement, FailureMode};
use engine::verdict::Action;

use super::super::super::style::{Looks, count};
use super::super::super::{Failed, Streams};
use super::super::inputs::placed;
use super::survey::{Other, Packed, Policy, Survey};

/// The width of the column of names.
const NAMES: usize = 14;

pub(super) fn print(survey: &Survey, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let text = text(survey, streams.looks);
    streams.out.write_all(text.as_bytes())?;
    for found in &survey.problems {
        writeln!(streams.err, "{}", placed(&found.file, found.line, &found.message))?;
    }
    if !survey.ok {
        writeln!(streams.err, "error: {}", count(survey.problems.len(), "problem"))?;
    }
    Ok(())
}

fn text(survey: &Survey, looks: Looks) -> String {
    let mut out = summary(survey, looks);
    for policy in &survey.policies {
        out.push_str(&self::policy(policy, looks));
    }
    let (broken, packages): (Vec<&Other>, Vec<&Other>) = survey.packages.iter().partition(|package| package.broken);
    let package = |package: &&Other| {
        let reason = looks.dim(&format!("it {}", package.reason));
        format!("data.{}  {}  {reason}", package.name, package.files.join(", "))
    };
    list(
        &mut out,
        "Not compiled, or no policy",
        broken.iter().map(package),
        looks,
    );
    list(&mut out, "Libraries", packages.iter().map(package), looks);
    let unused = survey.templates.iter().filter(|template| template.constraints == 0);
    let template = |template: &super::survey::Template| format!("{}  {}", template.kind, template.file);
    list(&mut out, "Templates without a constraint", unused.map(template), looks);
    list(&mut out, "Tests", survey.tests.iter().cloned(), looks);
    list(&mut out, "Cases", survey.cases.iter().cloned(), looks);
    list(&mut out, "Data", survey.data.iter().cloned(), looks);
    list(&mut out, "Bundles", survey.bundles.iter().map(packed), looks);
    let note = |note: &super::survey::Note| placed(&note.file, 0, &note.message);
    list(&mut out, "Notes", survey.notes.iter().map(note), looks);
    out
}

fn summary(survey: &Survey, looks: Looks) -> String {
    let off = survey.policies.iter().filter(|policy| !policy.enabled).count();
    let off = if off == 0 {
        String::new()
    } else {
        format!(" ({off} turned off)")
    };
    let revision = survey
        .revision
        .as_ref()
        .map_or(String::new(), |revision| format!(", revision {revision}"));
    let mut out = looks.strong(&format!("{}{off}{revision}", count(survey.policies.len(), "policy")));
    out.push('\n');
    if let Some(settings) = &survey.settings {
        field(&mut out, "settings", &settings.file, looks);
        field(
            &mut out,
            "not concerned",
            &settings.excluded_namespaces.join(", "),
            looks,
        );
    }
    out
}

fn policy(policy: &Policy, looks: Looks) -> String {
    let state = match (policy.enabled, policy.action) {
        (false, _) => looks.dim("turned off"),
        (true, Enforcement::Deny) => looks.bad("deny"),
        (true, Enforcement::Warn) => looks.doubtful("warn"),
        (true, Enforcement::Audit) => looks.dim("audit"),
        (true, Enforcement::Explain) => looks.dim("explains what another webhook denies"),
    };
    let mut out = format!("\n{}  {state}\n", looks.strong(&policy.id));
    let mut field = |name: &str, text: &str| field(&mut out, name, text, looks);
    field("title", &policy.title);
    field("file", &policy.file);
    field("form", &format!("{}: {}", policy.format.name, policy.format.reason));
    if !policy.rego.name.is_empty() {
        field("rego", &format!("{}: {}", policy.rego.name, policy.rego.reason));
    }
    let rules = policy
        .rules
        .iter()
        .map(|rule| format!("{} -> {}", rule.name, action(rule.action)));
    field("asked", &rules.collect::<Vec<_>>().join(", "));
    if let Some(rule) = policy.exception {
        field("excepted", &format!("what the rule {rule} names"));
    }
    if !policy.concerns.contains_key("kinds") {
        field("concerns", "every kind");
    }
    // The kinds first; the rest in the order of the names.
    let (kinds, rest): (Vec<_>, Vec<_>) = policy.concerns.iter().partition(|(name, _)| **name == "kinds");
    for (name, words) in kinds.into_iter().chain(rest) {
        field(label(name), words);
    }
    if policy
        .parameters
        .as_object()
        .is_some_and(|parameters| !parameters.is_empty())
    {
        field("parameters", &policy.parameters.to_string());
    }
    if !policy.fixes.is_empty() {
        field("fixes", &policy.fixes.join("; else "));
    }
    let failure = match policy.failure_mode {
        FailureMode::Deny => "the request is denied",
        FailureMode::Allow => "the request passes with a warning",
    };
    field("on failure", failure);
    out
}

fn label(name: &str) -> &str {
    match name {
        "kinds" => "concerns",
        "excludedNamespaces" => "not in",
        "labelSelector" => "labels",
        "namespaceSelector" => "of namespace",
        name => name,
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Deny => "deny",
        Action::Warn => "warn",
        Action::Audit => "audit",
    }
}

fn packed(bundle: &Packed) -> String {
    let roots: Vec<&str> = bundle
        .roots
        .iter()
        .map(|root| if root.is_empty() { "everything" } else { root })
        .collect();
    let mut text = format!("{}  owns {}", bundle.path, roots.join(", "));
    if !bundle.revision.is_empty() {
        let _ = write!(text, "; revision {}", bundle.revision);
    }
    if let Some(version) = bundle.rego_version {
        let _ = write!(text, "; rego v{version}");
    }
    match &bundle.signed {
        None => text.push_str("; no signature was verified"),
        Some(signed) => {
            let key = signed
                .key_id
                .as_ref()
                .map_or(String::new(), |id| format!(" with the key {id}"));
            let _ = write!(
                text,
                "; signed{key} ({}), {}",
                signed.algorithm,
                count(signed.files, "file")
            );
            if !signed.excluded.is_empty() {
                let _ = write!(text, ", not covered: {}", signed.excluded.join(", "));
            }
        }
    }
    text
}

fn field(out: &mut String, name: &str, text: &str, looks: Looks) {
    if !text.is_empty() {
        out.push_str(&format!("  {}{text}\n", looks.dim(&format!("{name:NAMES$}"))));
    }
}

fn list(out: &mut String, title: &str, lines: impl Iterator<Item = String>, looks: Looks) {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return;
    }
    out.push_str(&format!("\n{}\n", looks.strong(&format!("{title} ({})", lines.len()))));
    for line in lines {
        out.push_str(&format!("  {line}\n"));
    }
}
