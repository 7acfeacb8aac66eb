//! Gatekeeper's templates and constraints, in both versions of Rego: every field of `match`, parameters with the schema's
//! defaults, the inventory, every enforcement action. What matches is written down here; what is then said is held against OPA.

mod templates;

use engine::admission::Review;
use engine::context::Context;
use engine::explain::wire::Decision;
use engine::policy::bundle::Bundle;
use engine::policy::compile::compile;
use engine::policy::settings::Settings;
use engine::verdict::{Action, FailureKind};
use serde_json::{Value, json};
use wasm_tests::fixtures::{review_of, reviews};
use wasm_tests::opa::Oracle;

use self::templates::{TEMPLATES, V1, template};
use crate::corpus::{Policy, package, template_modules, yaml};
use crate::trial::{Trial, bytes};

/// A constraint with this `spec`.
fn policy(template: String, spec: &Value) -> Policy {
    let constraint = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sReport", "metadata": {"name": "all"}, "spec": spec,
    });
    let modules = template_modules("template", &yaml(&template)["spec"]["targets"][0]);
    let inventory = inventory();
    let files = [
        ("template.yaml".to_owned(), template),
        ("constraint.yaml".to_owned(), constraint.to_string()),
    ];
    let settings = Settings {
        excluded_namespaces: Vec::new(),
        ..Settings::default()
    };
    Policy {
        name: spec.to_string(),
        query: format!("data.{}.violation", package(&modules[0].text)),
        modules,
        data: json!({"inventory": inventory}),
        inputs: Vec::new(),
        bundle: Bundle::new(settings, files),
        context: json!({
            "namespaces": {
                "cap": {"labels": {"env": "prod", "team": "a"}},
                "team-blue": {"labels": {"env": "dev"}},
                "kube-public": {},
            },
            "inventory": inventory,
        }),
        requests: Vec::new(),
    }
}

fn inventory() -> Value {
    let named = |name: &str| json!({"metadata": {"name": name}});
    json!({
        "namespace": {
            "cap": {"v1": {"Service": {"s1": named("s1")}}},
            "shop": {"apps/v1": {"Deployment": {"web": named("web")}}, "v1": {"Service": {"s1": named("s1")}}},
            "dev": {"apps/v1": {"Deployment": {"web": named("web")}}},
        },
        "cluster": {"v1": {"Namespace": {"cap": {"metadata": {"name": "cap", "labels": {"env": "test"}}}}}},
    })
}

/// Requests by name: recorded ones, and some made from them.
fn requests() -> Vec<(&'static str, Value)> {
    let recorded = reviews().unwrap();
    let recorded = |number: &str| -> Value {
        let (_, bytes) = recorded.iter().find(|(name, _)| name.starts_with(number)).unwrap();
        serde_json::from_slice::<Value>(bytes).unwrap()["request"].take()
    };
    let moved = |number: &str, namespace: &str| {
        let mut request = recorded(number);
        request["namespace"] = namespace.into();
        request["object"]["metadata"]["namespace"] = namespace.into();
        request
    };
    let mut generated = moved("01", "team-blue");
    generated["name"] = "".into();
    generated["object"]["metadata"]["generateName"] = "small-".into();
    generated["object"]["metadata"].as_object_mut().unwrap().remove("name");
    let role =
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "view"}});
    let mut role = review_of(&role)["request"].take();
    role.as_object_mut().unwrap().remove("namespace");
    vec![
        ("pod", recorded("03")),
        ("update", recorded("16")),
        ("delete", recorded("23")),
        ("collection", recorded("26")),
        ("deployment", recorded("07")),
        ("service", recorded("20")),
        ("namespace", recorded("22")),
        ("generated", generated),
        ("public", moved("02", "kube-public")),
        ("role", role),
    ]
}

/// The names of those requests that the constraint concerns. All are answered alike everywhere.
fn concerned(policy: &Policy, oracle: &mut Oracle) -> Vec<&'static str> {
    let (names, requests): (Vec<&'static str>, Vec<Value>) = requests().into_iter().unzip();
    let mut trial = Trial::new(policy, oracle);
    let differences = trial.differences(&requests);
    for (name, difference) in names.iter().zip(differences) {
        assert_eq!(difference, None, "{name}: {}", policy.name);
    }
    let concerns = |request: &Value| trial.set.evaluate(&Review::parse(&bytes(request)).unwrap()).evaluated() > 0;
    let found: Vec<_> = names
        .iter()
        .zip(&requests)
        .filter(|(_, request)| concerns(request))
        .map(|(name, _)| *name)
        .collect();
    // Whatever is concerned is objected to: the first rule has no condition.
    assert_eq!(
        (trial.tally.concerned, trial.tally.denied),
        (found.len(), found.len()),
        "{}",
        policy.name
    );
    found
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn each_field_of_match_means_what_gatekeeper_says() {
    let everything: Vec<&str> = requests().iter().map(|(name, _)| *name).collect();
    let but = |left_out: &str| -> Vec<&str> {
        let left_out: Vec<&str> = left_out.split_whitespace().collect();
        everything
            .iter()
            .copied()
            .filter(|name| !left_out.contains(name))
            .collect()
    };
    let only = |names: &str| -> Vec<&str> {
        let names: Vec<&str> = names.split_whitespace().collect();
        everything.iter().copied().filter(|name| names.contains(name)).collect()
    };
    let expression = |key: &str, operator: &str, values: &[&str]| {
        let mut expression = json!({"key": key, "operator": operator});
        if !values.is_empty() {
            expression["values"] = json!(values);
        }
        json!({"matchExpressions": [expression]})
    };
    let pods = json!([{"apiGroups": [""], "kinds": ["Pod"]}]);
    let cases = [
        (json!({}), everything.clone()),
        (json!({"kinds": pods}), only("pod update collection generated public")),
        (
            json!({"kinds": [{"apiGroups": ["apps"], "kinds": ["*"]}, {"apiGroups": ["*"], "kinds": ["Service"]}]}),
            only("delete deployment service"),
        ),
        (
            json!({"kinds": [{"apiGroups": ["*"], "kinds": ["*"]}]}),
            everything.clone(),
        ),
        // What is in no namespace is in none that is not listed.
        (json!({"namespaces": ["cap"]}), but("namespace generated public")),
        (json!({"namespaces": ["team-*"]}), only("generated role")),
        (
            json!({"namespaces": ["*-public", "cap-*"]}),
            only("namespace public role"),
        ),
        (
            json!({"excludedNamespaces": ["kube-*", "cap-*"]}),
            but("namespace public"),
        ),
        (
            json!({"excludedNamespaces": ["*ap"]}),
            only("namespace generated public role"),
        ),
        (json!({"excludedNamespaces": ["*a*"]}), only("public role")),
        (
            json!({"namespaces": ["*"], "excludedNamespaces": ["cap"]}),
            only("namespace generated public role"),
        ),
        (
            json!({"labelSelector": {"matchLabels": {"app": "web"}}}),
            only("delete deployment"),
        ),
        (
            json!({"labelSelector": {"matchLabels": {"app": "web", "x": "y"}}}),
            only("delete"),
        ),
        (
            json!({"labelSelector": expression("app", "In", &["s1", "real"])}),
            only("pod service public"),
        ),
        (
            json!({"labelSelector": expression("app", "NotIn", &["web", "real"])}),
            only("update collection service namespace generated role"),
        ),
        (
            json!({"labelSelector": expression("x", "Exists", &[])}),
            only("update delete collection"),
        ),
        // Before its update the Pod had no labels.
        (
            json!({"labelSelector": expression("x", "DoesNotExist", &[])}),
            but("delete collection"),
        ),
        // A Namespace is selected by its own labels, and what is in no namespace is not excluded by one.
        (
            json!({"namespaceSelector": {"matchLabels": {"env": "prod"}}}),
            but("namespace generated public"),
        ),
        (
            json!({"namespaceSelector": expression("env", "DoesNotExist", &[])}),
            only("namespace public role"),
        ),
        (
            json!({"namespaceSelector": expression("kubernetes.io/metadata.name", "Exists", &[])}),
            only("namespace role"),
        ),
        (json!({"scope": "*"}), everything.clone()),
        (json!({"scope": "Cluster"}), only("namespace role")),
        (json!({"scope": "Namespaced"}), but("namespace role")),
        (json!({"name": "web"}), only("delete deployment")),
        (json!({"name": "*l"}), only("update collection public")),
        // Only the beginning of a generated name is known.
        (json!({"name": "small*"}), only("update collection generated")),
        (json!({"source": "All"}), everything.clone()),
        (json!({"source": "Original"}), everything.clone()),
        (json!({"source": "Generated"}), Vec::new()),
        (
            json!({
                "kinds": pods, "scope": "Namespaced", "source": "Original", "name": "*l", "excludedNamespaces": ["kube-system"],
                "namespaces": ["cap", "kube-*"], "labelSelector": expression("owner", "DoesNotExist", &[]),
                "namespaceSelector": expression("team", "In", &["a"]),
            }),
            only("update collection"),
        ),
    ];
    let mut oracle = Oracle::start().unwrap();
    for (version, targets) in TEMPLATES {
        for (criteria, expected) in &cases {
            let policy = policy(template(targets, ""), &json!({"match": criteria, "parameters": {}}));
            assert_eq!(concerned(&policy, &mut oracle), *expected, "{version}: {criteria}");
        }
        let policy = policy(
            template(targets, "operations: [UPDATE, DELETE]"),
            &json!({"parameters": {}}),
        );
        assert_eq!(
            concerned(&policy, &mut oracle),
            only("update delete collection"),
            "{version}: operations"
        );
    }
}

#[test]
fn parameters_have_defaults_and_the_inventory_is_read() {
    let mut oracle = Oracle::start().unwrap();
    let said = |policy: &Policy, oracle: &mut Oracle, name: &str| -> Vec<String> {
        let (_, request) = requests().into_iter().find(|(known, _)| *known == name).unwrap();
        let mut trial = Trial::new(policy, oracle);
        assert_eq!(trial.differences(std::slice::from_ref(&request)), [None]);
        let verdict = trial.set.evaluate(&Review::parse(&bytes(&request)).unwrap());
        verdict
            .violations()
            .map(|violation| violation.message.clone())
            .collect()
    };
    for (version, targets) in TEMPLATES {
        let spec = json!({"parameters": {"owners": [{"key": "app"}, {"key": "team", "regex": "^[a-z]$"}]}});
        let with_defaults = policy(template(targets, ""), &spec);
        let set = Trial::new(&with_defaults, &mut oracle).set;
        let expected = json!({
            "prefix": "found", "limits": {"names": 1},
            "owners": [{"key": "app", "regex": "^.+$"}, {"key": "team", "regex": "^[a-z]$"}],
        });
        assert_eq!(set.policies()[0].parameters.to_json(), expected, "{version}");
        // Defaults are inside of what is there, as in every custom resource.
        let without = policy(template(targets, ""), &json!({}));
        let set = Trial::new(&without, &mut oracle).set;
        assert_eq!(set.policies()[0].parameters.to_json(), json!({}), "{version}");

        let environment = "the namespace was test and is prod";
        let user = |name: &str| {
            requests().into_iter().find(|(known, _)| *known == name).unwrap().1["userInfo"]["username"].clone()
        };
        let first =
            |prefix: &str, name: &str, rest: &str| format!("{prefix}: {rest} by {}", user(name).as_str().unwrap());
        let mut expected = vec![
            first("found", "deployment", "Deployment web"),
            "found: the label team is missing or wrong".to_owned(),
            "found: web is also in dev, shop".to_owned(),
            environment.to_owned(),
        ];
        expected.sort();
        assert_eq!(said(&with_defaults, &mut oracle, "deployment"), expected, "{version}");

        let given = policy(
            template(targets, ""),
            &json!({"parameters": {"prefix": "p", "limits": {"names": 2}}}),
        );
        let mut expected = vec![first("p", "service", "Service s1"), environment.to_owned()];
        expected.sort();
        assert_eq!(said(&given, &mut oracle, "service"), expected, "{version}");
        assert!(
            said(&given, &mut oracle, "deployment").contains(&"p: web is also in dev, shop".to_owned()),
            "{version}"
        );
        assert_eq!(
            said(&given, &mut oracle, "generated"),
            [first("p", "generated", "Pod unnamed")],
            "{version}"
        );
    }
}

#[test]
fn each_enforcement_action_has_its_consequence() {
    let scoped = |entries: &[(&str, &str)]| {
        let entry = |(action, point): &(&str, &str)| json!({"action": action, "enforcementPoints": [{"name": point}]});
        let entries: Vec<Value> = entries.iter().map(entry).collect();
        json!({"enforcementAction": "scoped", "scopedEnforcementActions": entries})
    };
    let cases = [
        (json!({}), Some(Action::Deny)),
        (json!({"enforcementAction": "deny"}), Some(Action::Deny)),
        (json!({"enforcementAction": "warn"}), Some(Action::Warn)),
        (json!({"enforcementAction": "dryrun"}), Some(Action::Audit)),
        (
            scoped(&[("deny", "validation.gatekeeper.sh"), ("warn", "audit.gatekeeper.sh")]),
            Some(Action::Deny),
        ),
        (scoped(&[("warn", "*")]), Some(Action::Warn)),
        (
            scoped(&[("warn", "validation.gatekeeper.sh"), ("deny", "gator.gatekeeper.sh")]),
            Some(Action::Warn),
        ),
        // Not at admission: it is not evaluated.
        (scoped(&[("deny", "audit.gatekeeper.sh")]), None),
    ];
    let mut oracle = Oracle::start().unwrap();
    let (_, request) = requests().remove(0);
    let review = Review::parse(&bytes(&request)).unwrap();
    for (version, targets) in TEMPLATES {
        for (spec, action) in &cases {
            let policy = policy(template(targets, ""), spec);
            let Some(action) = action else {
                let context: Context = serde_json::from_value(policy.context.clone()).unwrap();
                let verdict = compile(&policy.bundle, context).unwrap().evaluate(&review);
                assert!(verdict.is_silent() && verdict.evaluated() == 0, "{version}: {spec}");
                continue;
            };
            let mut trial = Trial::new(&policy, &mut oracle);
            assert_eq!(
                trial.differences(std::slice::from_ref(&request)),
                [None],
                "{version}: {spec}"
            );
            let verdict = trial.set.evaluate(&review);
            assert!(verdict.violations().count() > 0, "{version}: {spec}");
            assert!(
                verdict.violations().all(|violation| violation.action == *action),
                "{version}: {spec}"
            );
            let denies = *action == Action::Deny;
            assert_eq!(verdict.decision() == Decision::Deny, denies, "{version}: {spec}");
        }
    }
}

#[test]
fn a_namespace_that_nobody_knows_is_a_failure_where_its_labels_are_asked_for() {
    let mut oracle = Oracle::start().unwrap();
    let (_, mut request) = requests().remove(0);
    request["namespace"] = "lost".into();
    request["object"]["metadata"]["namespace"] = "lost".into();
    let selected = json!({"match": {"namespaceSelector": {"matchLabels": {"env": "prod"}}}});
    let policy = policy(template(V1, ""), &selected);
    let mut trial = Trial::new(&policy, &mut oracle);
    assert_eq!(trial.differences(std::slice::from_ref(&request)), [None]);
    let verdict = trial.set.evaluate(&Review::parse(&bytes(&request)).unwrap());
    assert_eq!(verdict.decision(), Decision::Deny);
    assert_eq!(verdict.failures()[0].kind, FailureKind::Error);
    assert!(verdict.failures()[0].detail.contains("\"lost\""), "{verdict:?}");
}
