use serde_json::json;

use super::*;
use crate::policy::gatekeeper::document::{self, Document};
use crate::policy::list;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SCHEMA: &str = "{type: object, required: [labels], properties: {labels: {type: array, items: {type: object, \
    properties: {key: {type: string}, allowedRegex: {type: string, default: '.*'}}}}, \
    mode: {type: string, default: all}}}";

fn template(schema: &str) -> Template {
    let validation = match schema {
        "" => String::new(),
        schema => format!(", validation: {{openAPIV3Schema: {schema}}}"),
    };
    let text = format!(
        "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata:\n  name: k8sshop\n  \
         annotations:\n    \
         metadata.gatekeeper.sh/title: Shop\n    metadata.gatekeeper.sh/description: Why\nspec:\n  \
         crd: {{spec: {{names: {{kind: K8sShop}}{validation}}}}}\n  targets:\n    \
         - target: admission.k8s.gatekeeper.sh\n      rego: |\n        package a\n        \
         violation[{{\"msg\": \"x\"}}] {{ true }}\n"
    );
    match document::read("t.yaml", &text).unwrap().pop() {
        Some(Document::Template(template)) => *template,
        other => panic!("{other:?}"),
    }
}

fn written(spec: &str) -> Written {
    let text = format!(
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sShop\nmetadata: {{name: shop}}\nspec:\n{spec}"
    );
    match document::read("c.yaml", &text).unwrap().pop() {
        Some(Document::Constraint(written)) => *written,
        other => panic!("{other:?}"),
    }
}

fn check(spec: &str) -> Result<Constraint, String> {
    written(spec)
        .check(Some(&template(SCHEMA)))
        .map_err(|problems| list(&problems))
}

fn actions_of(spec: &str) -> Result<Vec<Action>, String> {
    check(&format!("  parameters: {{labels: []}}\n{spec}")).map(|constraint| constraint.actions)
}

#[test]
fn parameters_get_the_defaults_of_the_schema() {
    let constraint =
        check("  parameters:\n    labels:\n      - {key: team}\n      - {key: a, allowedRegex: ^x$}\n").unwrap();
    let expected =
        json!({"labels": [{"key": "team", "allowedRegex": ".*"}, {"key": "a", "allowedRegex": "^x$"}], "mode": "all"});
    assert_eq!(constraint.parameters.to_json(), expected);
    assert_eq!(
        (constraint.title.as_deref(), constraint.description.as_deref()),
        (Some("Shop"), Some("Why"))
    );
    assert_eq!(constraint.actions, [Action::Deny]);
    // As for Gatekeeper: no parameters are an empty object, whatever the schema says about what is in them.
    assert_eq!(check("  match: {}\n").unwrap().parameters.to_json(), json!({}));
    assert_eq!(check("  parameters: null\n").unwrap().parameters.to_json(), json!({}));
}

#[test]
fn a_constraints_own_words_come_before_its_templates() {
    let text = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sShop\nmetadata:\n  name: shop\n  annotations:\n    \
                policies.kyverno.io/title: Ours\n    description: ' '\n    policies.kyverno.io/description: |\n      \
                Because we say so.\nspec: {parameters: {labels: []}}\n";
    let written = match document::read("c.yaml", text).unwrap().pop() {
        Some(Document::Constraint(written)) => *written,
        other => panic!("{other:?}"),
    };
    let constraint = written
        .check(Some(&template(SCHEMA)))
        .map_err(|problems| list(&problems))
        .unwrap();
    assert_eq!(
        (constraint.title.as_deref(), constraint.description.as_deref()),
        (Some("Ours"), Some("Because we say so."))
    );
}

#[test]
fn parameters_that_do_not_fit_are_all_named() {
    let spec = "  parameters:\n    label:\n      - team\n    mode: 3\n    labels:\n      - key: x\n        regex: y\n";
    let problems = check(spec).unwrap_err();
    for part in [
        "c.yaml:6: spec.parameters.label: unknown; the template's schema has labels, mode",
        "c.yaml:8: spec.parameters.mode: expected string, this is integer",
        "c.yaml:11: spec.parameters.labels[0].regex: unknown",
    ] {
        assert!(problems.contains(part), "{part}\n{problems}");
    }
    assert!(
        check("  parameters: {mode: x}\n")
            .unwrap_err()
            .contains("c.yaml:5: spec.parameters.labels: missing")
    );
    assert!(
        check("  parameters: [a]\n")
            .unwrap_err()
            .contains("spec.parameters: expected object, this is array")
    );
}

#[test]
fn a_template_without_a_schema_takes_no_parameters() {
    let template = template("");
    let problems = written("  parameters: {a: 1}\n").check(Some(&template)).unwrap_err();
    assert!(
        list(&problems).contains("c.yaml:5: spec.parameters: the template takes none"),
        "{problems:?}"
    );
    assert!(written("  match: {}\n").check(Some(&template)).is_ok());
}

#[test]
fn a_constraint_needs_its_template() {
    let problems = written("  matches: {}\n").check(None).unwrap_err();
    let text = list(&problems);
    assert!(
        text.contains("c.yaml:1: kind: no ConstraintTemplate defines \"K8sShop\""),
        "{text}"
    );
    assert!(
        text.contains("c.yaml:5: spec.matches: unknown field; did you mean \"match\"?"),
        "{text}"
    );
}

#[test]
fn actions_are_those_of_admission() {
    assert_eq!(actions_of("").unwrap(), [Action::Deny]);
    assert_eq!(actions_of("  enforcementAction: warn\n").unwrap(), [Action::Warn]);
    assert_eq!(actions_of("  enforcementAction: dryrun\n").unwrap(), [Action::Audit]);
    let scoped = |actions: &str| {
        actions_of(&format!(
            "  enforcementAction: scoped\n  scopedEnforcementActions: {actions}\n"
        ))
    };
    let both = "[{action: warn, enforcementPoints: [{name: '*'}]}, {action: deny, enforcementPoints: \
        [{name: audit.gatekeeper.sh}, {name: validation.gatekeeper.sh}]}]";
    assert_eq!(scoped(both).unwrap(), [Action::Deny, Action::Warn]);
    assert_eq!(
        scoped("[{action: deny, enforcementPoints: [{name: audit.gatekeeper.sh}]}]").unwrap(),
        []
    );
    assert_eq!(scoped("[]").unwrap(), []);
    // Gatekeeper reads these with `scoped` only.
    let unread = "  scopedEnforcementActions: [{action: warn, enforcementPoints: [{name: '*'}]}]\n";
    assert_eq!(actions_of(unread).unwrap(), [Action::Deny]);
}

#[test]
fn wrong_actions_are_refused() {
    assert!(
        actions_of("  enforcementAction: Deny\n")
            .unwrap_err()
            .contains("spec.enforcementAction: \"Deny\" is none of deny")
    );
    assert!(
        actions_of("  enforcementAction: scoped\n")
            .unwrap_err()
            .contains("spec.scopedEnforcementActions: missing")
    );
    let wrong = "  enforcementAction: scoped\n  scopedEnforcementActions:\n    - action: scoped\n      \
        enforcementPoints:\n        \
        - {name: webhook}\n    - {action: deny}\n";
    let problems = actions_of(wrong).unwrap_err();
    for part in [
        "c.yaml:8: spec.scopedEnforcementActions[0].action: \"scoped\" is none of",
        "c.yaml:10: spec.scopedEnforcementActions[0].enforcementPoints[0].name: \"webhook\" is none of",
        "c.yaml:11: spec.scopedEnforcementActions[1].enforcementPoints: missing",
    ] {
        assert!(problems.contains(part), "{part}\n{problems}");
    }
}

#[test]
fn names_and_versions_are_checked() {
    let mut constraint = written("  match: {}\n");
    constraint.name = "Shop_1".to_owned();
    constraint.version = "v1".to_owned();
    let text = list(&constraint.check(Some(&template(SCHEMA))).unwrap_err());
    assert!(
        text.contains("c.yaml:3: metadata.name: \"Shop_1\" is no name"),
        "{text}"
    );
    assert!(
        text.contains("c.yaml:1: apiVersion: the version \"v1\" is unknown"),
        "{text}"
    );
}
