use serde_json::{Map, json};

use super::*;
use crate::admission::Review;
use crate::eval::PolicySet;
use crate::policy::bundle::{Bundle, File};
use crate::policy::compile::{Compilation, Progress};
use crate::policy::settings::Settings;
use crate::warm::Rehearsal;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const TEMPLATE: &str = r#"apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: named}
spec:
  crd: {spec: {names: {kind: Named}, validation: {openAPIV3Schema: {type: object, properties: {name: {type: string}}}}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package named
        violation[{"msg": "named"}] { input.review.name == input.parameters.name }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Named
metadata: {name: a}
spec: {parameters: {name: web}}
"#;

fn policy(package: &str, title: &str, body: &str) -> String {
    format!("# METADATA\n# title: {title}\npackage {package}\n\ndeny contains \"{package}\" if {{\n\t{body}\n}}\n")
}

fn set(files: &[(&str, String, Option<Dialect>)], before: Option<&PolicySet>) -> Result<PolicySet, String> {
    let file = |(path, text, dialect): &(&str, String, Option<Dialect>)| File {
        dialect: *dialect,
        ..File::new(*path, text.clone())
    };
    let bundle = Bundle::with_data(Settings::default(), files.iter().map(file).collect(), Map::new());
    let mut compilation = Compilation::of_json(bundle.to_json(), before);
    loop {
        if let Progress::Done(result) = compilation.step() {
            return result.map_err(|problems| crate::policy::list(&problems));
        }
    }
}

/// All that a set comes to, as far as it shows.
fn shown(set: &PolicySet) -> String {
    let policies = set.policies().iter();
    let policies: Vec<_> = policies
        .map(|policy| format!("{:?} {:?} {:?}", policy.meta, policy.form, policy.needs))
        .collect();
    let verdicts = ["web", "other"].map(|name| {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}});
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {"uid": "u", "operation": "CREATE", "kind": {"version": "v1", "kind": "Pod"}, "name": name, "object": object},
        });
        format!("{:?}", set.evaluate(&Review::parse(review.to_string().as_bytes()).unwrap()))
    });
    format!("{} {policies:#?} {verdicts:#?}", set.revision())
}

fn files() -> Vec<(&'static str, String, Option<Dialect>)> {
    let by_name = |name: &str| format!("input.request.name == {name:?}");
    vec![
        ("a.rego", policy("shop.a", "A", &by_name("web")), None),
        (
            "b.rego",
            policy("shop.b", "B", "data.lib.is_web(input.request.name)"),
            None,
        ),
        (
            "lib.rego",
            "package lib\n\nis_web(name) if name == \"web\"\n".to_owned(),
            None,
        ),
        ("named.yaml", TEMPLATE.to_owned(), None),
        (
            "old.rego",
            "package old\n\ndeny[msg] { msg := input.request.name }\n".to_owned(),
            None,
        ),
    ]
}

/// Whatever changes, what comes of it with the set before at hand is what comes of it without.
#[test]
fn with_another_set_before_it_a_set_is_the_same() {
    let by_name = |name: &str| format!("input.request.name == {name:?}");
    let edits: [(&str, &str, String, Option<Dialect>); 12] = [
        ("another body", "a.rego", policy("shop.a", "A", &by_name("other")), None),
        (
            "another title alone",
            "a.rego",
            policy("shop.a", "Another", &by_name("other")),
            None,
        ),
        (
            "what another file refers to",
            "lib.rego",
            "package lib\n\nis_web(name) if name == \"other\"\n".to_owned(),
            None,
        ),
        (
            "a file more, with what was there",
            "c.rego",
            policy("shop.c", "A", &by_name("other")),
            None,
        ),
        ("one that goes", "c.rego", String::new(), None),
        (
            "for the packages below",
            "shop.rego",
            "# METADATA\n# scope: subpackages\n# description: Why.\npackage shop\n".to_owned(),
            None,
        ),
        (
            "a reference more",
            "a.rego",
            policy("shop.a", "A", "data.lib.is_web(input.request.name)"),
            None,
        ),
        (
            "another line of a template",
            "named.yaml",
            format!("\n\n{TEMPLATE}"),
            None,
        ),
        (
            "another template",
            "named.yaml",
            TEMPLATE.replace("msg\": \"named", "msg\": \"called"),
            None,
        ),
        (
            "a parameter",
            "named.yaml",
            TEMPLATE.replace("name: web", "name: other"),
            None,
        ),
        (
            "the older syntax, said",
            "old.rego",
            "package old\n\ndeny[msg] { msg := input.request.name }\n".to_owned(),
            Some(Dialect::V0),
        ),
        (
            "what went comes back",
            "c.rego",
            policy("shop.c", "A", &by_name("other")),
            None,
        ),
    ];
    let mut files = files();
    let mut before = set(&files, None).unwrap();
    for (what, path, text, dialect) in edits {
        files.retain(|(known, ..)| *known != path);
        if !text.is_empty() {
            files.push((path, text, dialect));
        }
        let after = set(&files, Some(&before)).unwrap();
        assert_eq!(shown(&after), shown(&set(&files, None).unwrap()), "{what}");
        before = after;
    }
}

/// The syntax that something outside of the text says counts, and not the one that was found in the same text before.
#[test]
fn a_syntax_that_is_said_is_not_looked_up() {
    let mut files = files();
    let before = set(&files, None).unwrap();
    for (path, _, dialect) in &mut files {
        *dialect = Some(Dialect::V1).filter(|_| *path == "old.rego");
    }
    let refused = set(&files, Some(&before)).unwrap_err();
    assert_eq!(refused, set(&files, None).unwrap_err());
    assert!(refused.contains("old.rego"), "{refused}");
}

#[test]
fn only_what_changed_is_compiled_and_rehearsed() {
    let mut files = files();
    let before = set(&files, None).unwrap();
    let steps = |set: &PolicySet, before| {
        let mut rehearsal = Rehearsal::new(set, before);
        std::iter::from_fn(|| rehearsal.step(set).then_some(())).count()
    };
    let same = set(&files, Some(&before)).unwrap();
    assert_eq!(steps(&same, Some(&before)), 0);
    files[0].1 = files[0].1.replace("web", "other");
    let after = set(&files, Some(&before)).unwrap();
    let changed: Vec<&str> = after
        .policies()
        .iter()
        .zip(before.policies())
        .filter(|(after, before)| !Arc::ptr_eq(&after.program, &before.program))
        .map(|(after, _)| after.meta.id.as_str())
        .collect();
    assert_eq!(changed, ["shop/a"]);
    assert!((1..steps(&after, None) + 1).contains(&steps(&after, Some(&before))));
    // Nothing of a broken file is kept, and a set after it is as good as any.
    files[0].1 = "package shop.a\n\ndeny := {".to_owned();
    assert!(set(&files, Some(&after)).is_err());
}
