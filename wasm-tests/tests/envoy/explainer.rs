//! Whatever the explainer does, the same is denied, in time.

use std::fs;
use std::time::Duration;

use serde_json::json;
use wasm_tests::fixtures::{PRIVILEGED, pod, policies, review_bytes};
use wasm_tests::stack::{Live, Part};

use crate::fake::{Fake, Manner};
use crate::support::{Envoy, Explainer, settings};

/// A person and the API server wait no longer than this for a denial.
const IN_TIME: Duration = Duration::from_secs(1);

#[test]
fn its_death_changes_words_and_nothing_else() {
    let mut envoy = Envoy::start("killed", &policies(&[PRIVILEGED]), Explainer::Real);
    let (denied, allowed) = (review_bytes(&pod(true)), review_bytes(&pod(false)));
    let explained = envoy.review(&denied);
    assert!(!explained.is_allowed());
    let link = format!("{}/e/", envoy.stack.explainer_url());
    assert!(explained.message().contains(&link), "{}", explained.message());

    envoy.stack.stop(Part::Explainer).unwrap();
    for _ in 0..3 {
        let reply = envoy.review(&denied);
        assert_eq!(reply.text(), String::from_utf8_lossy(&envoy.native(&denied)));
        assert!(reply.took < IN_TIME, "{:?}", reply.took);
        assert!(envoy.review(&allowed).is_allowed());
    }

    envoy.stack.start(Part::Explainer).unwrap();
    // Envoy may leave a host alone that failed a moment ago.
    let returned = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(200));
        envoy.review(&denied).message().contains(&link)
    });
    assert!(returned, "words come from the explainer again");
}

#[test]
fn the_filter_shows_it_its_token() {
    let bundle = policies(&[PRIVILEGED]);
    let denied = review_bytes(&pod(true));
    for (name, shown) in [
        ("token", "the-token-of-the-filter"),
        ("other-token", "the-token-of-somebody"),
    ] {
        let mut settings = settings(name, &bundle, Explainer::Real);
        let (known, own) = (
            settings.run_dir.with_extension("tokens"),
            settings.run_dir.with_extension("token"),
        );
        fs::write(&known, "filter the-token-of-the-filter\n").unwrap();
        fs::write(&own, shown).unwrap();
        let arguments = ["--api-token-file".to_owned(), known.display().to_string()];
        settings.live = Some(Live {
            serve_arguments: arguments.into(),
            ..Live::default()
        });
        let arguments = ["--explainer-token-file".to_owned(), own.display().to_string()];
        settings.render_arguments.extend(arguments);
        let envoy = Envoy::with(settings, &bundle);
        let reply = envoy.review(&denied);
        // Only now: it is read again when it changes.
        fs::remove_file(known).unwrap();
        fs::remove_file(own).unwrap();
        let link = format!("{}/e/", envoy.stack.explainer_url());
        assert_eq!(reply.message().contains(&link), name == "token", "{}", reply.message());
        if name != "token" {
            assert_eq!(reply.text(), String::from_utf8_lossy(&envoy.native(&denied)));
        }
    }
}

#[test]
fn its_nonsense_changes_nothing() {
    let bundle = policies(&[PRIVILEGED]);
    let settings = settings("nonsense", &bundle, Explainer::Other);
    let fake = Fake::listen(settings.ports.explainer);
    let envoy = Envoy::with(settings, &bundle);
    let denied = review_bytes(&pod(true));
    let own = envoy.native(&denied);
    let allowed = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "response": {"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": true},
    });
    let manners = [
        Manner::Answer(200, b"garbage".to_vec()),
        Manner::Answer(200, Vec::new()),
        Manner::Answer(200, allowed.to_string().into_bytes()),
        Manner::Answer(200, vec![0xff; 1 << 20]),
        Manner::Answer(200, vec![b' '; 40 << 20]),
        Manner::Answer(500, b"{}".to_vec()),
        Manner::Answer(204, Vec::new()),
        Manner::Answer(302, Vec::new()),
        Manner::Raw(b"\x16\x03\x01 this is not HTTP\r\n\r\n".to_vec()),
        Manner::Raw(Vec::new()),
        Manner::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"id\":".to_vec()),
        Manner::Hang,
        Manner::HangInBody,
        Manner::Drip,
        Manner::Flood,
    ];
    let mut asked = 0;
    for manner in manners {
        fake.behave(manner.clone());
        let shown = format!("{manner:?}").chars().take(60).collect::<String>();
        // Envoy leaves a host alone for a while that fails five times in a row: wait until it asks again.
        let reached = (0..100).any(|_| {
            let reply = envoy.review(&denied);
            assert_eq!(reply.text(), String::from_utf8_lossy(&own), "{shown}");
            assert!(reply.took < IN_TIME, "{shown}: {:?}", reply.took);
            let was_asked = fake.asked() > asked;
            if !was_asked {
                std::thread::sleep(Duration::from_millis(100));
            }
            was_asked
        });
        assert!(reached, "{shown}: never asked");
        asked = fake.asked();
        assert!(envoy.review(&review_bytes(&pod(false))).is_allowed());
    }
}

#[test]
fn its_good_words_are_used_through_envoy_too() {
    let bundle = policies(&[PRIVILEGED]);
    let settings = settings("words", &bundle, Explainer::Other);
    let fake = Fake::listen(settings.ports.explainer);
    let envoy = Envoy::with(settings, &bundle);
    let words = json!({
        "id": "abc", "url": "http://e/abc", "source": "engine", "warnings": ["one\nline"],
        "message": "Better \u{1b}[31mwords\u{1b}[0m.\nSecond line.",
    });
    fake.behave(Manner::Answer(200, words.to_string().into_bytes()));
    let reply = envoy.review(&review_bytes(&pod(true)));
    assert!(!reply.is_allowed());
    let message = reply.message();
    assert!(
        message.starts_with("Better ") && message.contains("\nSecond line."),
        "{message:?}"
    );
    assert!(!message.contains('\u{1b}'), "{message:?}");
    assert!(reply.text().contains("\"one line\""), "{}", reply.text());
}
