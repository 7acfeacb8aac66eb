//! A large cluster: how long it takes to know it, and how much memory.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use wasm_tests::stack::client;

use super::support::Bare;

const NAMESPACES: usize = 5000;
/// A cluster that is known is known soon after a start, also on a machine that does other things.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn five_thousand_namespaces_are_known_in_seconds() {
    let bare = Bare::new();
    let token = bare.administrator("many");
    let url = format!("https://127.0.0.1:{}/api/v1/namespaces", bare.port());
    let authority = bare.stack().ca_file();
    let begun = Instant::now();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let agent = client(&authority).unwrap();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= NAMESPACES {
                        return;
                    }
                    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
                        "name": format!("many-{number}"),
                        "labels": {"team": format!("team-{}", number % 50), "environment": "production"},
                        "annotations": {"example.test/contact": "#a-channel-of-the-team"},
                    }});
                    let answer = agent
                        .post(&url)
                        .header("authorization", format!("Bearer {token}"))
                        .header("content-type", "application/json")
                        .send(body.to_string())
                        .unwrap();
                    assert_eq!(answer.status(), 201);
                }
            });
        }
    });
    println!("{NAMESPACES} namespaces made in {:?}", begun.elapsed());

    let begun = Instant::now();
    let explainer = bare.explainer(&bare.kubeconfig("many", &token, bare.port()), &[]);
    println!("memory before: {}", explainer.memory());
    explainer.until("all namespaces", PATIENCE, |context| {
        context["namespaces"]
            .as_object()
            .is_some_and(|namespaces| namespaces.len() >= NAMESPACES)
    });
    let took = begun.elapsed();
    let known = explainer.get("/v1/context", None);
    println!(
        "known {took:?} after the start; the document has {} bytes; memory {}",
        known.body.len(),
        explainer.memory()
    );
    assert!(took < PATIENCE);

    bare.namespace("many-new", "late");
    let begun = Instant::now();
    let told = explainer.get("/v1/context?wait=20", Some(&known.etag));
    println!("one more is in the context after {:?}", begun.elapsed());
    assert!(told.body.contains("\"many-new\""));

    // Many changes at once are few revisions.
    let mut etag = told.etag;
    let some = [
        "label",
        "namespace",
        "--selector=team in (team-1, team-2, team-3)",
        "swept=yes",
    ];
    let mut label = bare.stack().kubectl(some);
    let mut label = label.stdout(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let mut revisions = 0;
    while label.try_wait().unwrap().is_none() {
        let told = explainer.get("/v1/context?wait=1", Some(&etag));
        if told.status == 200 {
            revisions += 1;
            etag = told.etag;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "300 changes in {seconds:.1} s were {revisions} revisions; memory {}",
        explainer.memory()
    );
    assert!(f64::from(revisions) <= seconds * 4.0 + 2.0);
    assert!(label.wait().unwrap().success());
}
