//! Policies that are replaced while Envoy serves, by a service that delivers them.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine::policy::bundle::Bundle;
use serde_json::json;
use wasm_tests::delivery::Delivery;
use wasm_tests::fixtures::{PRIVILEGED, pod, policies, review_bytes};
use wasm_tests::stack::{Part, Settings};

use crate::failures::{LittleStack, exhausts_the_stack, magic};
use crate::support::{Envoy, Explainer, settings};

/// Longer than any of it takes on a busy machine; each wait ends when what it waits for is there.
const PATIENCE: Duration = Duration::from_secs(30);

/// A set of which every policy says the same number, so that an answer of two sets would show.
pub(crate) fn set(number: usize) -> Bundle {
    let mut sources = vec![PRIVILEGED.to_owned()];
    for policy in 0..20 {
        sources.push(format!(
            "# METADATA\n# custom: {{fix: {{action: none}}}}\npackage tests.policy_{policy}\n\ndeny contains \
             \"number {number}.\" if input.request.name == \"numbered\"\n"
        ));
    }
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    policies(&sources)
}

fn live(name: &str, bundle: &Bundle) -> (Settings, Delivery) {
    let mut settings = settings(name, bundle, Explainer::Other);
    let arguments = ["--live-policies", "--live-pause-ms", "100"].map(str::to_owned);
    settings.render_arguments.extend(arguments);
    let delivery = Delivery::listen(settings.ports.explainer).unwrap();
    (settings, delivery)
}

pub(crate) fn numbered() -> Vec<u8> {
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "numbered", "namespace": "shop"}});
    review_bytes(&object)
}

pub(crate) fn wait(what: &str, mut is_there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_there() {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks all the time until it is over; every answer has to be whole, and of one set. The revisions in their order.
fn ask(envoy: &Envoy, is_over: &AtomicBool) -> Vec<String> {
    let (good, bad) = (review_bytes(&pod(false)), numbered());
    let mut revisions: Vec<String> = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let mut seen = |revision: String| {
            if revisions.last() != Some(&revision) {
                revisions.push(revision);
            }
        };
        let reply = envoy.review(&good);
        assert!(reply.is_allowed());
        seen(reply.revision());
        let reply = envoy.review(&bad);
        assert!(!reply.is_allowed());
        let message = reply.message();
        let mut said = message
            .split("number ")
            .skip(1)
            .map(|rest| rest.split('.').next().unwrap_or_default());
        let first = said.next().unwrap();
        assert!(said.all(|number| number == first), "of two sets: {message}");
        assert_eq!(reply.revision(), set(first.parse().unwrap()).revision, "{message}");
        seen(reply.revision());
    }
    revisions
}

#[test]
fn sets_are_swapped_under_load_and_no_answer_fails_or_mixes_them() {
    let first = set(0);
    let (mut settings, delivery) = live("swap", &first);
    settings.concurrency = 2;
    let envoy = Envoy::with(settings, &first);
    let is_over = AtomicBool::new(false);
    let swaps = 10;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| ask(&envoy, &is_over))).collect();
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for number in 1..=swaps {
                let next = set(number);
                delivery.deliver(&next);
                wait("the next set serves", || {
                    envoy.review(&review_bytes(&pod(false))).revision() == next.revision
                });
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            let revisions = client.join().unwrap();
            let distinct: BTreeSet<&String> = revisions.iter().collect();
            assert!(distinct.len() > swaps / 2, "{revisions:?}");
            // A worker that is one swap behind another for a moment; never one that goes back.
            assert_eq!(distinct.len(), revisions.len(), "{revisions:?}");
        }
        ended.unwrap();
    });
    assert_eq!(envoy.statistic("whynot.policies.flips"), swaps as u64);
    let report = || delivery.reports().pop().unwrap_or_default();
    let last = set(swaps).revision;
    wait("the report says what serves", || {
        let report = report();
        let workers = report
            .get("workers")
            .and_then(|workers| workers.as_array().cloned())
            .unwrap_or_default();
        let serves = |worker: &serde_json::Value| worker.get("active").is_some_and(|active| *active == last.as_str());
        workers.len() == 2 && workers.iter().all(serves)
    });
}

#[test]
fn a_service_that_has_no_words_and_is_left_alone_still_delivers() {
    let first = set(0);
    let (settings, delivery) = live("wordless", &first);
    let envoy = Envoy::with(settings, &first);
    // It answers 503 to who asks for words, and Envoy asks it no more for some seconds.
    wait("it is left alone", || {
        envoy.review(&numbered());
        envoy.statistic("cluster.explainer.outlier_detection.ejections_enforced_total") > 0
    });
    for number in 1..=5 {
        delivery.deliver(&set(number));
        wait("what was delivered serves", || {
            envoy.review(&numbered()).revision() == set(number).revision
        });
    }
    let log = fs::read_to_string(envoy.stack.log_file(Part::Envoy)).unwrap();
    assert!(!log.contains("no news from the explainer"), "it was asked all the time");
}

/// Envoy makes VMs for an update of its listeners before it finds that it cannot have it.
#[test]
fn an_update_that_envoy_itself_refuses_does_not_end_the_polling() {
    let first = set(0);
    let (mut settings, delivery) = live("refused-update", &first);
    settings.listeners_in_file = true;
    let envoy = Envoy::with(settings, &first);
    assert_eq!(envoy.review(&numbered()).revision(), first.revision);
    let file = envoy.stack.settings().listeners_file();
    let listeners = fs::read_to_string(&file).unwrap();
    // A configuration of the filter that is a good one, and a port that somebody has.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, other) = (
        envoy.stack.settings().ports.admission,
        taken.local_addr().unwrap().port(),
    );
    let changed = listeners
        .replace(
            &format!("\"port_value\": \"{port}\""),
            &format!("\"port_value\": \"{other}\""),
        )
        .replace(r#"\"marginMs\":200"#, r#"\"marginMs\":300"#);
    assert_eq!(changed.matches(&other.to_string()).count(), 1, "{changed}");
    assert!(changed.contains("300"), "{changed}");
    let beside = file.parent().unwrap().with_extension("new");
    fs::write(&beside, changed).unwrap();
    fs::rename(beside, &file).unwrap();
    wait("Envoy refuses the update", || {
        envoy.statistic("listener_manager.lds.update_rejected") > 0
    });
    delivery.deliver(&set(1));
    wait("what was delivered serves", || {
        envoy.review(&numbered()).revision() == set(1).revision
    });
    wait("and is reported", || {
        let report = delivery.reports().pop().unwrap_or_default();
        report
            .pointer("/workers/0/active")
            .is_some_and(|active| *active == set(1).revision.as_str())
    });
}

#[test]
fn without_policies_envoy_is_not_ready_until_they_come() {
    let (mut settings, delivery) = live("empty", &set(0));
    fs::remove_file(&settings.bundle).unwrap();
    settings.envoy_probe = "/healthz".to_owned();
    let envoy = Envoy::with(settings, &set(0));
    let mut text = String::new();
    wait("it says why it is not ready", || {
        let Ok(reply) = envoy.get("/readyz") else { return false };
        assert_eq!(reply.status, 503);
        text = reply.text();
        text.contains("Nothing is delivered yet.") || text.contains("has not answered")
    });
    let reply = envoy.review(&review_bytes(&pod(false)));
    assert_eq!(reply.status, 503, "{}", reply.text());
    delivery.deliver(&set(1));
    wait("it is ready", || {
        envoy.get("/readyz").is_ok_and(|reply| reply.status == 200)
    });
    assert_eq!(envoy.review(&review_bytes(&pod(false))).revision(), set(1).revision);
    assert!(!envoy.review(&review_bytes(&pod(true))).is_allowed());
}

#[test]
fn the_explainer_may_be_away_at_the_start_and_come_later() {
    let first = set(0);
    let mut settings = settings("away", &first, Explainer::Other);
    let arguments = ["--live-policies", "--live-pause-ms", "100"].map(str::to_owned);
    settings.render_arguments.extend(arguments);
    let port = settings.ports.explainer;
    let envoy = Envoy::with(settings, &first);
    assert_eq!(envoy.review(&review_bytes(&pod(false))).revision(), first.revision);
    let delivery = Delivery::listen(port).unwrap();
    delivery.deliver(&set(1));
    wait("what was delivered serves", || {
        envoy.review(&review_bytes(&pod(false))).revision() == set(1).revision
    });
}

#[test]
fn a_broken_set_is_refused_and_reported_and_the_old_one_serves_on() {
    let first = set(0);
    let (settings, delivery) = live("refused", &first);
    let envoy = Envoy::with(settings, &first);
    envoy.review(&numbered());
    let broken = policies(&[PRIVILEGED, "package tests.unfinished\n\ndeny := {"]);
    for (revision, json) in [
        (broken.revision.clone(), broken.to_json()),
        ("truncated".to_owned(), set(1).to_json()[..2000].to_vec()),
    ] {
        delivery.deliver_as(&revision, json);
        wait("the refusal is reported", || {
            let reports = delivery.reports();
            let failed = reports
                .iter()
                .rev()
                .filter_map(|report| report.pointer("/workers/0/failed/revision"));
            failed.take(1).any(|failed| *failed == revision.as_str())
        });
        assert_eq!(envoy.review(&review_bytes(&pod(false))).revision(), first.revision);
    }
    delivery.deliver(&set(1));
    wait("a good one serves", || {
        envoy.review(&review_bytes(&pod(false))).revision() == set(1).revision
    });
}

#[test]
fn a_vm_that_traps_between_swaps_comes_back_with_what_is_active_and_polling_goes_on() {
    let with_trap = |number: usize| {
        let marker =
            format!("package tests.number\n\ndeny contains \"x\" if input.request.name == \"number-{number}\"\n");
        policies(&[PRIVILEGED, &exhausts_the_stack(), &marker])
    };
    let first = with_trap(0);
    let (mut settings, delivery) = live("trap-swap", &first);
    let _module = LittleStack::take(&mut settings);
    settings.concurrency = 2;
    let envoy = Envoy::with(settings, &first);
    for number in 1..=4 {
        let next = with_trap(number);
        delivery.deliver(&next);
        // While it is fetched and staged.
        std::thread::sleep(Duration::from_millis(20 * number as u64));
        for _ in 0..4 {
            assert!(envoy.review(&magic()).status >= 500);
        }
        wait("the next set serves all the same", || {
            let reply = envoy.review(&review_bytes(&pod(false)));
            reply.status == 200 && reply.revision() == next.revision
        });
    }
}

#[test]
fn an_envoy_that_is_killed_in_a_swap_starts_with_a_whole_set() {
    let (first, second) = (set(0), set(1));
    let (settings, delivery) = live("killed", &first);
    let mut envoy = Envoy::with(settings, &first);
    for round in 0..3 {
        delivery.deliver(if round % 2 == 0 { &second } else { &first });
        std::thread::sleep(Duration::from_millis(15 * round));
        envoy.stack.process(Part::Envoy).unwrap().kill().unwrap();
        envoy.stack.start(Part::Envoy).unwrap();
        let reply = envoy.review(&numbered());
        assert!(
            [&first, &second].iter().any(|set| set.revision == reply.revision()),
            "{}",
            reply.text()
        );
        let expected = if round % 2 == 0 { &second } else { &first };
        wait("what is delivered serves", || {
            envoy.review(&numbered()).revision() == expected.revision
        });
    }
}
