//! Policies that are replaced while Envoy runs: whole, or not at all.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine::policy::bundle::Bundle;
use serde_json::{Value, json};
use wasm_tests::fixtures::{PRIVILEGED, pod, policies, review_bytes};
use wasm_tests::stack::Part;

use crate::support::{Envoy, Explainer, settings};

/// Longer than any update takes on a busy machine; each wait ends when what it waits for is there.
const PATIENCE: Duration = Duration::from_secs(30);

/// Replaces the listeners of an Envoy, with other policies in them.
struct Listeners {
    file: PathBuf,
    original: Value,
}

impl Listeners {
    fn of(envoy: &Envoy) -> Self {
        let file = envoy.stack.settings().listeners_file();
        let original = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        Self { file, original }
    }

    /// As an operator does it: written beside, and renamed, so that nobody ever reads a half of it.
    fn replace(&self, bundle: &Bundle) {
        let mut listeners = self.original.clone();
        let value = configuration(&mut listeners).unwrap();
        let mut filter: Value = serde_json::from_str(value.as_str().unwrap()).unwrap();
        *filter.get_mut("bundle").unwrap() = serde_json::to_value(bundle).unwrap();
        *value = Value::from(filter.to_string());
        let beside = self.file.parent().unwrap().with_extension("new");
        fs::write(&beside, listeners.to_string()).unwrap();
        fs::rename(beside, &self.file).unwrap();
    }
}

fn configuration(value: &mut Value) -> Option<&mut Value> {
    match value {
        Value::Object(members) => members.iter_mut().find_map(|(name, member)| match name.as_str() {
            "configuration" => member.get_mut("value"),
            _ => configuration(member),
        }),
        Value::Array(items) => items.iter_mut().find_map(configuration),
        _ => None,
    }
}

/// A policy set with one policy more than [`PRIVILEGED`], so that revisions differ.
fn set(more: &str) -> Bundle {
    policies(&[PRIVILEGED, more])
}

fn statistic(envoy: &Envoy, name: &str) -> u64 {
    let url = format!("{}/stats?filter={name}", envoy.stack.admin_url());
    let text = ureq::get(url).call().unwrap().body_mut().read_to_string().unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    value.map_or(0, |value| value.trim().parse().unwrap())
}

fn wait(what: &str, mut is_there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_there() {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_broken_set_is_refused_whole_and_the_old_one_goes_on_serving() {
    let first = set("package tests.first\n\ndeny contains \"first\" if input.request.name == \"first\"\n");
    let second = set("package tests.second\n\ndeny contains \"second\" if input.request.name == \"second\"\n");
    let broken = policies(&[
        PRIVILEGED,
        "package tests.unfinished\n\ndeny := {",
        "package tests.unsafe\n\ndeny contains msg if input.request.name == \"x\"\n",
    ]);
    let (first_revision, second_revision) = (first.revision.clone(), second.revision.clone());
    assert_ne!(first_revision, second_revision);

    let mut settings = settings("reload", &first, Explainer::Other);
    settings.listeners_in_file = true;
    let envoy = Envoy::with(settings, &first);
    let listeners = Listeners::of(&envoy);
    let (good, bad) = (review_bytes(&pod(false)), review_bytes(&pod(true)));
    assert_eq!(envoy.review(&good).revision(), first_revision);

    let is_over = AtomicBool::new(false);
    // Asks all the time, on connections that it keeps; each answer has to be right, and of one set or the other.
    let ask = || {
        let mut revisions: Vec<String> = Vec::new();
        let mut answers = 0_u32;
        while !is_over.load(Ordering::Relaxed) {
            for (body, is_allowed) in [(&good, true), (&bad, false)] {
                let reply = envoy.review(body);
                assert_eq!(reply.is_allowed(), is_allowed, "{}", reply.text());
                if revisions.last() != Some(&reply.revision()) {
                    revisions.push(reply.revision());
                }
                answers += 1;
            }
        }
        (revisions, answers)
    };
    std::thread::scope(|scope| {
        let clients = [scope.spawn(ask), scope.spawn(ask)];
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            listeners.replace(&broken);
            wait("the broken set is refused", || {
                statistic(&envoy, "listener_manager.lds.update_rejected") > 0
            });
            let log = fs::read_to_string(envoy.stack.log_file(Part::Envoy)).unwrap();
            for problem in ["1/policy.rego:3: ", "2/policy.rego:3: "] {
                assert!(log.contains(problem), "{problem} is not in the log:\n{log}");
            }
            assert_eq!(envoy.review(&good).revision(), first_revision);
            listeners.replace(&second);
            wait("the second set answers", || {
                envoy.review(&good).revision() == second_revision
            });
            wait("the old listener is gone", || {
                statistic(&envoy, "listener_manager.total_filter_chains_draining") == 0
            });
        }));
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            let (revisions, answers) = client.join().unwrap();
            assert_eq!(revisions.first(), Some(&first_revision), "{revisions:?}");
            assert_eq!(revisions.last(), Some(&second_revision), "{revisions:?}");
            assert!(answers > 100, "{answers}");
        }
        ended.unwrap();
    });
    let rejected = statistic(&envoy, "listener_manager.lds.update_rejected");
    assert_eq!(rejected, 1, "one update was refused");
    assert!(!envoy.review(&bad).is_allowed());
    let named = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "second", "namespace": "shop"}});
    assert!(envoy.review(&review_bytes(&named)).message().contains("second"));
}
