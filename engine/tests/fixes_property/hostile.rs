//! Objects that are made to take long or to break something: the search stops, and does not panic. `WHYNOT_FIX_SIZE=500` for
//! larger ones.

use std::time::{Duration, Instant};

use engine::context::Context;
use engine::policy::settings::{Override, Settings};
use engine::policy::{self, compile};
use engine::verdict::Action;
use serde_json::{Map, Value, json};

use super::*;
use crate::generate::Corpus;

/// Each container against each other one.
const PAIRS: &str = r#"# METADATA
# custom:
#   action: deny
package hostile.pairs

deny contains violation if {
	some i, one in input.request.object.spec.containers
	some j, other in input.request.object.spec.containers
	i < j
	one.image == other.image
	violation := {"msg": sprintf("%d and %d are the same.", [i, j]), "path": sprintf("/spec/containers/%d/image", [j])}
}
"#;

/// Finds something wherever something is, and asks for what cannot be.
const EVERYWHERE: &str = r#"# METADATA
# custom:
#   action: deny
package hostile.everywhere

deny contains sprintf("%v is there.", [path]) if {
	walk(input.request.object, [path, value])
	is_string(value)
	not startswith(value, concat("", [value, "x"]))
}
"#;

fn deep(levels: usize, leaf: Value, wrap: impl Fn(Value) -> Value) -> Value {
    (0..levels).fold(leaf, |value, _| wrap(value))
}

fn pod(spec: Value, labels: Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}});
    pod["metadata"]["labels"] = labels;
    pod["spec"] = spec;
    pod
}

fn many(count: usize, item: impl Fn(usize) -> Value) -> Value {
    (0..count).map(item).collect()
}

fn named(count: usize, value: impl Fn(usize) -> Value) -> Value {
    Value::Object(
        (0..count)
            .map(|number| (format!("name-{number}"), value(number)))
            .collect::<Map<_, _>>(),
    )
}

fn objects() -> Vec<(&'static str, Value)> {
    let size = usize::try_from(number("WHYNOT_FIX_SIZE", 20)).unwrap();
    let privileged = |number: usize| {
        json!({
            "name": format!("c{number}"), "image": "quay.example.net/nginx", "ports": [{"hostPort": 80}],
            "securityContext": {"privileged": true, "capabilities": {"add": ["SYS_ADMIN"]}, "procMount": "Unmasked"},
            "env": [{"name": "DB_PASSWORD", "value": "swordfish"}],
        })
    };
    let huge = "x".repeat(1_000_000);
    let nested = |levels| deep(levels, json!(true), |value| json!({"a": [value]}));
    vec![
        (
            "many containers",
            pod(json!({"containers": many(size, privileged)}), json!({})),
        ),
        (
            "many containers with one fault each",
            pod(
                json!({"containers": many(size, |n| json!({"name": format!("c{n}"), "image": "nginx:latest"}))}),
                json!({}),
            ),
        ),
        (
            "many volumes",
            pod(
                json!({
                    "containers": [privileged(0)],
                    "volumes": many(size, |n| json!({"name": format!("v{n}"), "hostPath": {"path": format!("/{n}")}})),
                }),
                json!({}),
            ),
        ),
        (
            "many variables and labels",
            pod(
                json!({"hostNetwork": true, "containers": [{
                    "name": "app", "image": "x",
                    "env": many(size, |n| json!({"name": format!("SECRET_TOKEN_{n}"), "value": "swordfish"})),
                }]}),
                named(size, |number| json!(number)),
            ),
        ),
        (
            "deep nesting",
            pod(
                json!({
                    "containers": [{"name": nested(50), "image": nested(50), "securityContext": nested(50)}],
                    "securityContext": {"seccompProfile": nested(50), "sysctls": nested(50)},
                    "volumes": nested(50),
                }),
                nested(50),
            ),
        ),
        (
            "huge strings",
            pod(
                json!({
                    "containers": [{
                        "name": huge, "image": huge, "securityContext": {"privileged": true, "procMount": huge},
                        "env": [{"name": huge, "value": huge}],
                    }],
                    "hostPID": huge,
                    "volumes": [{"name": huge, huge.as_str(): {}}],
                }),
                json!({huge.as_str(): huge}),
            ),
        ),
        (
            "names that are paths",
            pod(
                json!({
                    "containers": [{"name": "a/b~c~0~1/0/-", "image": "../../:@", "securityContext": {"privileged": true}}],
                    "volumes": [{"name": "", "hostPath": {"path": "~1"}}],
                }),
                json!({"": "", "/": "~", "~0~1": "-", "0": "1", "-": "0"}),
            ),
        ),
    ]
}

#[test]
fn the_search_stops_whatever_the_object_is() {
    let corpus = Corpus::read();
    let files = corpus.library_files();
    let hostile = [("pairs", PAIRS), ("everywhere", EVERYWHERE)]
        .map(|(name, text)| (format!("hostile/{name}/policy.rego"), text.to_owned()));
    // What reaches a limit is not looked for again, so that each is also alone.
    let all = [files.clone(), hostile.to_vec()].concat();
    let alone = files.iter().chain(&hostile).map(|file| vec![file.clone()]);
    let sets: Vec<PolicySet> = [all, files.clone()].into_iter().chain(alone).map(compiled).collect();
    for (name, object) in objects() {
        let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "1", "kind": kind, "operation": "CREATE", "namespace": "shop", "name": "web", "object": object,
        }});
        let parsed = Review::parse(review.to_string().as_bytes()).unwrap();
        let (mut objected, mut searched, mut found, mut most, mut slowest) = (0, 0, 0, 0, Duration::ZERO);
        for set in &sets {
            let verdict = set.evaluate(&parsed);
            objected += usize::from(verdict.violations().next().is_some());
            let began = Instant::now();
            let remedies = fix::remedies(set, &parsed, &verdict, Effort::ALL);
            slowest = slowest.max(began.elapsed());
            searched += usize::from(remedies.evaluations > 0);
            found += fixes(&remedies).count();
            most = most.max(remedies.evaluations);
        }
        println!(
            "{name}: {objected} sets of policies object, {searched} are looked at, {found} fixes; at most {most} evaluations, \
             {slowest:.1?}"
        );
        assert!(objected > 0, "{name}");
        assert!(most <= MOST_EVALUATIONS, "{name}: {most}");
    }
}

/// Everything on and denying.
fn compiled(files: Vec<(String, String)>) -> PolicySet {
    let on = Override {
        enabled: Some(true),
        action: Some(Action::Deny.into()),
        ..Override::default()
    };
    let mut settings = Settings::default();
    settings.policies.insert("*".to_owned(), on);
    let set = compile::compile(&Bundle::new(settings, files), Context::default());
    set.unwrap_or_else(|problems| panic!("{}", policy::list(&problems)))
}
