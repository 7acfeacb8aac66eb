//! Gatekeeper's templates: whether they are applied, what they say, and their Rego.

use std::collections::BTreeSet;

use engine::policy::gatekeeper::{ENTRY_POINT, Loaded, Template};
use engine::policy::metadata;

use super::finding::{Finding, Rule};
use super::{messages, program};

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let applied: BTreeSet<&str> = loaded
        .constraints
        .iter()
        .map(|constraint| constraint.kind.as_str())
        .collect();
    let mut findings = Vec::new();
    for template in &loaded.templates {
        findings.extend(described(template));
        if !applied.contains(template.kind.as_str()) {
            findings.push(Finding {
                rule: Rule::TemplateWithoutConstraint,
                file: template.file.clone(),
                line: template.line,
                message: format!(
                    "no constraint is of the kind {}: the template is never applied",
                    template.kind
                ),
                remedy: format!("add a constraint (kind: {}), or remove the template", template.kind),
            });
        }
        let modules = std::iter::once(&template.module).chain(&template.libraries);
        findings.extend(modules.flat_map(|module| program::prints(&template.file, &module.text)));
        // What does not compile is told elsewhere.
        let Ok(compiled) = template.compile() else { continue };
        let outlines = compiled.outlines();
        findings.extend(program::never_true(&outlines));
        let entry = ENTRY_POINT.trim_start_matches("data.");
        let asked: Vec<_> = outlines.iter().filter(|rule| rule.path == entry).collect();
        findings.extend(messages::of_policy(&asked, |_| Some(template.module.text.as_str())));
    }
    findings
}

/// What its denials can say.
fn described(template: &Template) -> Vec<Finding> {
    let annotations = metadata::parse(&template.file, &template.module.text).unwrap_or_default();
    let says = |of: fn(&metadata::Annotation) -> bool| annotations.iter().any(of);
    let has_title = template.title.is_some() || says(|annotation| annotation.content.title.is_some());
    let has_why = template.description.is_some() || says(|annotation| annotation.content.description.is_some());
    let finding = |rule, what: &str| Finding {
        rule,
        file: template.file.clone(),
        line: template.line,
        message: format!("the template {} has no {what}", template.kind),
        remedy: format!("add the annotation metadata.gatekeeper.sh/{what}"),
    };
    let missing = [
        (!has_title).then(|| finding(Rule::MissingTitle, "title")),
        (!has_why).then(|| finding(Rule::MissingDescription, "description")),
    ];
    missing.into_iter().flatten().collect()
}
