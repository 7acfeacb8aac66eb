//! What the ledger remembers, as people see it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasm_tests::stack::Part;

use crate::support::{Cluster, pod};

fn denied(cluster: &Cluster, name: &str, team: &str) -> String {
    let said = cluster.kubectl(&["create", "-f", "-"], Some(&pod(name, team, true)));
    assert!(!said.success, "{}", said.text);
    said.text
}

#[test]
fn the_third_denial_of_a_team_says_so() {
    let cluster = Cluster::with_namespace("third");
    let texts = ["one", "two", "three"].map(|name| denied(&cluster, name, "third"));
    let [first, second, third] = &texts;
    assert!(!first.contains("Note:"), "{first}");
    assert!(second.contains("second time"), "{second}");
    assert!(third.contains("3rd time"), "{third}");
    insta::assert_snapshot!("third", cluster.redacted(third));
    // Another team starts at one.
    let other = denied(&cluster, "four", "third-neighbour");
    assert!(!other.contains("Note:"), "{other}");
}

#[test]
fn fifteen_retries_of_a_controller_count_once() {
    let cluster = Cluster::with_namespace("retries");
    let mut generated = pod("web", "retries", true);
    if let Some(metadata) = generated.pointer_mut("/metadata") {
        *metadata = json!({
            "generateName": "web-5d8f-", "labels": {"app.kubernetes.io/name": "web", "team": "retries"},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d8f", "controller": true,
                "uid": "6fd8ad0c-8b6d-4a0e-9c55-5f6f3b8a2f10",
            }],
        });
    }
    let controller = [
        "create",
        "-f",
        "-",
        "--as=system:serviceaccount:kube-system:replicaset-controller",
        "--as-group=system:serviceaccounts",
        "--as-group=system:authenticated",
    ];
    for attempt in 0..15 {
        let said = cluster.kubectl(&controller, Some(&generated));
        assert!(
            !said.success && said.text.contains("runs privileged"),
            "{attempt}: {}",
            said.text
        );
        assert!(!said.text.contains("Note:"), "{attempt}: {}", said.text);
    }
    let person = denied(&cluster, "by-hand", "retries");
    assert!(person.contains("second time"), "{person}");
}

fn get(url: &str, accept: &str) -> (u16, String) {
    let mut response = ureq::get(url)
        .config()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .header("accept", accept)
        .call()
        .unwrap_or_else(|error| panic!("{url}: {error}"));
    let text = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), text)
}

#[test]
fn the_link_leads_to_the_explanation() {
    let cluster = Cluster::with_namespace("link");
    let text = denied(&cluster, "web", "link");
    let link = cluster.link(&text);
    let (status, page) = get(&link, "text/html");
    assert_eq!(status, 200);
    assert!(page.contains("<html") && page.contains("runs privileged"), "{page}");
    let (status, document) = get(&link, "application/json");
    assert_eq!(status, 200);
    let document: Value = serde_json::from_str(&document).unwrap();
    let patch = document
        .pointer("/fix/patch")
        .unwrap_or_else(|| panic!("no fix: {document}"));
    assert_eq!(
        patch.pointer("/0/path").and_then(Value::as_str),
        Some("/spec/containers/0/securityContext/privileged")
    );
    let (status, _) = get(&format!("{link}x"), "application/json");
    assert_eq!(status, 404);
}

#[test]
fn a_restart_forgets_nothing_and_an_absence_lets_nothing_through() {
    let cluster = Cluster::with_namespace("restart");
    let first = denied(&cluster, "one", "restart");
    let link = cluster.link(&first);

    let mut alone = cluster.alone();
    alone.stack.stop(Part::Explainer).unwrap();
    let started = Instant::now();
    let unexplained = alone.kubectl(&["create", "-f", "-"], Some(&pod("two", "restart", true)));
    let took = started.elapsed();
    alone.stack.start(Part::Explainer).unwrap();
    drop(alone);
    // kubectl itself takes a part of it.
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert!(
        !unexplained.success && !unexplained.text.contains("/e/"),
        "{}",
        unexplained.text
    );
    insta::assert_snapshot!("explainer_down", unexplained.text);

    let (status, page) = get(&link, "text/html");
    assert_eq!(status, 200);
    assert!(page.contains("runs privileged"), "{page}");
    // Envoy may leave the explainer alone for a moment after it was away.
    let deadline = Instant::now() + Duration::from_secs(15);
    let again = loop {
        let text = denied(&cluster, "three", "restart");
        if text.contains("/e/") || Instant::now() > deadline {
            break text;
        }
        std::thread::sleep(Duration::from_millis(300));
    };
    assert!(
        again.contains("second time"),
        "what was recorded before the restart counts: {again}"
    );
}
