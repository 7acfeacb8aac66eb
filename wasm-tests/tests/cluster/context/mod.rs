//! What the explainer knows of a real cluster, how soon, and how it says that it does not.

mod many;
mod support;
mod used;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasm_tests::stack::Part;

use self::support::{Bare, Way};

const SOON: Duration = Duration::from_secs(30);

fn team<'a>(context: &'a Value, namespace: &str) -> Option<&'a str> {
    context["namespaces"][namespace]["labels"]["team"].as_str()
}

#[test]
fn a_new_namespace_is_known_with_its_labels_within_a_second() {
    let bare = Bare::new();
    let token = bare.administrator("new");
    let explainer = bare.explainer(&bare.kubeconfig("new", &token, bare.port()), &[]);
    explainer.until("default", SOON, |context| context["namespaces"]["default"].is_object());
    for number in 0..5 {
        let name = format!("new-{number}");
        let before = explainer.get("/v1/context", None);
        bare.namespace(&name, "checkout");
        let begun = Instant::now();
        let namespace = explainer.json(&format!("/v1/context/namespaces/{name}"));
        let single = begun.elapsed();
        assert_eq!(namespace["labels"]["team"], "checkout", "{namespace}");
        assert_eq!(namespace["annotations"]["note"], "by a test", "{namespace}");
        // Whoever has an older context is told, and need not ask again and again.
        let told = explainer.get("/v1/context?wait=10", Some(&before.etag));
        let all = begun.elapsed();
        assert_eq!(told.status, 200);
        assert_eq!(
            team(&serde_json::from_str(&told.body).unwrap(), &name),
            Some("checkout")
        );
        println!("{name}: known alone after {single:?}, in the context after {all:?}");
        assert!(single < Duration::from_secs(1) && all < Duration::from_secs(1));
    }
    assert_eq!(explainer.get("/v1/context/namespaces/nobody", None).status, 404);
    assert_eq!(explainer.get("/v1/context/namespaces/..%2Fx", None).status, 404);
    // What did not change is waited for.
    let known = explainer.get("/v1/context", None);
    let begun = Instant::now();
    assert_eq!(explainer.get("/v1/context?wait=1", Some(&known.etag)).status, 304);
    assert!(begun.elapsed() > Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!(explainer.get("/v1/context?wait=31", None).status, 400);
}

/// What the service account of the test may do, each right on a line.
fn rights(bare: &Bare) -> BTreeSet<String> {
    let listed = bare.kubectl(
        &["auth", "can-i", "--list", "--as=system:serviceaccount:default:role"],
        None,
    );
    let lines = listed
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect()
}

#[test]
fn the_printed_role_is_enough_and_without_it_the_reason_is_told() {
    let bare = Bare::new();
    let policies = bare.stack().settings().run_dir.join("role-policies");
    fs::create_dir_all(&policies).unwrap();
    fs::write(
        policies.join("policy-set.yaml"),
        "inventory: [networking.k8s.io/v1/Ingress]\n",
    )
    .unwrap();
    fs::write(
        policies.join("a.rego"),
        "# METADATA\n# title: A\npackage a\n\ndeny contains \"no\" if input.request.name == \"no\"\n",
    )
    .unwrap();
    fs::write(
        policies.join("sync.yaml"),
        "apiVersion: syncset.gatekeeper.sh/v1alpha1\nkind: SyncSet\nmetadata: {name: a}\n\
         spec: {gvks: [{group: '', version: v1, kind: Service}]}\n",
    )
    .unwrap();
    let token = bare.service_account("role");
    let kubeconfig = bare.kubeconfig("role", &token, bare.port());
    let explainer = bare.explainer(&kubeconfig, &["--policies", policies.to_str().unwrap()]);
    let begun = Instant::now();
    let parts = [
        "namespaces is forbidden",
        "ingresses.networking.k8s.io is forbidden",
        "whynot context rbac",
    ];
    let refused = loop {
        let refused = explainer.get("/v1/context", None);
        // Each kind is asked for by itself, in no order.
        if parts.iter().all(|part| refused.body.contains(part)) || begun.elapsed() > SOON {
            break refused;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(refused.status, 503);
    for part in parts {
        assert!(refused.body.contains(part), "{part}: {}", refused.body);
    }
    assert_eq!(explainer.get("/v1/context/namespaces/default", None).status, 503);

    let before = rights(&bare);
    let printed = Command::new(bare.whynot())
        .args(["context", "rbac", "--name", "role-test", "--policies"])
        .arg(&policies)
        .output()
        .unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let role = policies.join("role.txt");
    fs::write(&role, &printed.stdout).unwrap();
    bare.kubectl(&["apply", "-f", role.to_str().unwrap()], None);
    bare.kubectl(
        &[
            "create",
            "clusterrolebinding",
            "role-test",
            "--clusterrole=role-test",
            "--serviceaccount=default:role",
        ],
        None,
    );
    bare.apply(&json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}}));
    explainer.until("the ingress", SOON, |context| {
        let default = &context["inventory"]["namespace"]["default"];
        let ingress = &default["networking.k8s.io/v1"]["Ingress"]["web"];
        ingress["kind"] == "Ingress"
            && ingress["metadata"]["managedFields"].is_null()
            && default["v1"]["Service"]["kubernetes"].is_object()
    });
    explainer.until_age(SOON, |age| age.is_zero());
    for kind in ["v1/Namespace", "v1/Service", "networking.k8s.io/v1/Ingress"] {
        assert_eq!(explainer.kind(kind)["phase"], "live", "{}", explainer.kind(kind));
    }
    assert_eq!(explainer.get("/v1/context/namespaces/default", None).status, 200);
    assert_eq!(
        explainer.get("/v1/context/namespaces/nobody", None).status,
        404,
        "asked for by a GET"
    );
    // It is enough for this, and for nothing else.
    let given: Vec<String> = rights(&bare)
        .into_iter()
        .filter(|right| !before.contains(right))
        .collect();
    assert_eq!(
        given,
        [
            "ingresses.networking.k8s.io [] [] [list watch]",
            "namespaces [] [] [get list watch]",
            "services [] [] [list watch]",
        ]
    );
}

#[test]
fn a_watch_that_breaks_resumes_and_the_age_says_so() {
    let bare = Bare::new();
    let token = bare.administrator("breaks");
    let way = Way::to(bare.port());
    let explainer = bare.explainer(
        &bare.kubeconfig("breaks", &token, way.port),
        &["--inventory", "v1/ConfigMap"],
    );
    bare.namespace("old", "one");
    bare.namespace("changing", "one");
    explainer.until("old", SOON, |context| {
        team(context, "old").is_some() && team(context, "changing") == Some("one")
    });
    explainer.until_age(SOON, |age| age.is_zero());
    assert!(explainer.metric("whynot_context_age_seconds") < 0.001);

    way.cut();
    bare.namespace("made-meanwhile", "two");
    bare.namespace("changing", "two");
    bare.kubectl(&["label", "namespace", "old", "team-"], None);
    let age = explainer.until_age(SOON, |age| age > Duration::from_secs(3));
    assert!(explainer.metric("whynot_context_age_seconds") >= age.as_secs_f64());
    let up = "whynot_context_watch_up{kind=\"v1/Namespace\",purpose=\"namespaces\"}";
    assert!(explainer.metric(up) < 0.5);
    let stale = explainer.json("/v1/context");
    assert_eq!(team(&stale, "changing"), Some("one"), "it cannot know");
    assert_eq!(explainer.get("/v1/context/namespaces/made-meanwhile", None).status, 503);
    let known = explainer.get("/v1/context/namespaces/changing", None);
    assert!(
        known.status == 200 && known.age > Duration::from_secs(3),
        "{:?}",
        known.age
    );
    way.open();
    let took = explainer.until("what changed meanwhile", SOON, |context| {
        team(context, "made-meanwhile") == Some("two")
            && team(context, "changing") == Some("two")
            && team(context, "old").is_none()
    });
    // Never young before it is complete.
    explainer.until_age(SOON, |age| age.is_zero());
    println!("after a cut of {age:?}: complete after {took:?}");
    let restarts = explainer.metric("whynot_context_watch_restarts_total{kind=\"v1/ConfigMap\",purpose=\"inventory\"}");
    assert!(restarts >= 1.0);

    // Nobody tells that the other end is gone.
    way.silence();
    let begun = Instant::now();
    bare.namespace("made-in-silence", "three");
    let age = explainer.until_age(SOON, |age| age > Duration::from_millis(500));
    println!("silence noticed after {:?}, as {age:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(6));
    way.open();
    explainer.until("what came in silence", SOON, |context| {
        team(context, "made-in-silence").is_some()
    });
    explainer.until_age(SOON, |age| age.is_zero());
}

#[test]
fn an_api_server_that_is_killed_and_comes_back_is_followed_again() {
    let bare = Bare::new();
    let token = bare.administrator("killed");
    let explainer = bare.explainer(&bare.kubeconfig("killed", &token, bare.port()), &[]);
    bare.namespace("before", "one");
    explainer.until("before", SOON, |context| team(context, "before").is_some());
    explainer.until_age(SOON, |age| age.is_zero());
    let etag = explainer.get("/v1/context", None).etag;

    bare.stack().process(Part::ApiServer).unwrap().kill().unwrap();
    explainer.until_age(SOON, |age| age > Duration::from_secs(2));
    assert!(explainer.metric("whynot_context_age_seconds") > 2.0);
    assert_eq!(
        explainer.get("/v1/context", None).etag,
        etag,
        "what was known is still served, with its age"
    );
    bare.stack().start(Part::ApiServer).unwrap();
    bare.namespace("after", "two");
    let took = explainer.until("after", SOON, |context| team(context, "after").is_some());
    explainer.until_age(SOON, |age| age.is_zero());
    println!("after the API server was ready, complete after {took:?}");
}

#[test]
fn kinds_may_come_and_go() {
    let bare = Bare::new();
    let token = bare.administrator("kinds");
    let arguments = ["--inventory", "example.test/v1/Widget", "--gatekeeper-sync"];
    let explainer = bare.explainer(&bare.kubeconfig("kinds", &token, bare.port()), &arguments);
    explainer.until("a context without the kind", SOON, |context| {
        context["namespaces"]["default"].is_object()
    });
    assert_eq!(explainer.kind("example.test/v1/Widget")["phase"], "absent");

    let definition = |group: &str, kind: &str, version: &str, scope: &str| {
        let plural = format!("{}s", kind.to_lowercase());
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {"group": group, "scope": scope, "names": {"kind": kind, "plural": plural},
                "versions": [{"name": version, "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
    };
    bare.apply(&definition("example.test", "Widget", "v1", "Cluster"));
    bare.apply(&definition("syncset.gatekeeper.sh", "SyncSet", "v1alpha1", "Cluster"));
    bare.established();
    bare.apply(&json!({"apiVersion": "example.test/v1", "kind": "Widget", "metadata": {"name": "w"}, "size": 3}));
    bare.apply(
        &json!({"apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet", "metadata": {"name": "s"},
        "spec": {"gvks": [{"group": "", "version": "v1", "kind": "Secret"}]}}),
    );
    bare.kubectl(
        &[
            "create",
            "secret",
            "generic",
            "hush",
            "--from-literal=password=correcthorse",
        ],
        None,
    );
    let took = explainer.until("the new kind, and the one that Gatekeeper keeps", SOON, |context| {
        context["inventory"]["cluster"]["example.test/v1"]["Widget"]["w"]["size"] == 3
            && context["inventory"]["namespace"]["default"]["v1"]["Secret"]["hush"].is_object()
    });
    println!("kinds that were added are known after {took:?}");
    let text = explainer.get("/v1/context", None).body;
    // As text and as base64.
    assert!(
        !text.contains("correcthorse") && !text.contains("Y29ycmVjdGhvcnNl"),
        "a secret got out"
    );

    bare.kubectl(
        &[
            "delete",
            "crd",
            "widgets.example.test",
            "syncsets.syncset.gatekeeper.sh",
        ],
        None,
    );
    explainer.until("no such kinds any more", SOON, |context| {
        context["inventory"]["cluster"]["example.test/v1"].is_null()
            && context["inventory"]["namespace"]
                .as_object()
                .is_some_and(serde_json::Map::is_empty)
    });
    explainer.until_age(SOON, |age| age.is_zero());
}

#[test]
fn more_than_the_limit_is_refused_and_said() {
    let bare = Bare::new();
    let token = bare.administrator("limit");
    let arguments = [
        "--inventory",
        "rbac.authorization.k8s.io/v1/ClusterRole",
        "--context-max-objects",
        "20",
    ];
    let explainer = bare.explainer(&bare.kubeconfig("limit", &token, bare.port()), &arguments);
    let begun = Instant::now();
    while !explainer.get("/v1/context", None).body.contains("more than 20 objects") {
        assert!(begun.elapsed() < SOON, "{}", explainer.get("/v1/context", None).body);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(
        explainer.get("/v1/context", None).status,
        503,
        "a part is not the whole"
    );
    assert!(explainer.metric("whynot_context_known") < 0.5);
}
