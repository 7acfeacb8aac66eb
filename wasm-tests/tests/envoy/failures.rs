//! What must not happen, happens: nothing is let through, nothing hangs, and the next request is answered.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use wasm_tests::fixtures::{PRIVILEGED, pod, policies, review_bytes};
use wasm_tests::stack::Settings;

use crate::fake::{Fake, Manner};
use crate::support::{Envoy, Explainer, settings};

/// Needs more stack than [`LittleStack`] leaves: a walk through values that are as deep as they may be. No policy is known that
/// kills the module as it is: limits stop deep values, deep recursion and much memory first.
pub(crate) fn exhausts_the_stack() -> String {
    const EACH: usize = 390;
    let (lists, path) = (format!("{}1{}", "[".repeat(EACH), "]".repeat(EACH)), "/0".repeat(EACH));
    format!(
        "package tests.exhausts_the_stack\n\ndeny contains \"never\" if {{\n\tinput.request.object.metadata.labels.magic == \
         \"boom\"\n\tlists := json.unmarshal(\"{lists}\")\n\tdeep := json.patch(lists, [{{\"op\": \"replace\", \"path\": \
         \"{path}\", \"value\": lists}}])\n\tcount([path | walk(deep, [path, _])]) == 2\n}}\n"
    )
}

/// The module with a sixteenth of its stack. The file goes with the value.
pub(crate) struct LittleStack(PathBuf);

impl LittleStack {
    pub(crate) fn take(settings: &mut Settings) -> Self {
        // The first global: `i32.const 1048576; end`, where the stack begins, and grows down to address 0.
        let (whole, little) = (
            [0x41, 0x80, 0x80, 0xc0, 0x00, 0x0b],
            [0x41, 0x80, 0x80, 0x84, 0x00, 0x0b],
        );
        let mut module = fs::read(&settings.filter).unwrap();
        let place = module.windows(whole.len()).position(|window| window == whole).unwrap();
        assert!(place < 1 << 16, "among the globals, before any code");
        module.splice(place..place + little.len(), little);
        let file = settings.run_dir.with_extension("little-stack.wasm");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, module).unwrap();
        settings.filter.clone_from(&file);
        Self(file)
    }
}

impl Drop for LittleStack {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_filter_that_dies_refuses_and_comes_back() {
    let bundle = policies(&[PRIVILEGED, &exhausts_the_stack()]);
    let mut settings = settings("trap", &bundle, Explainer::Other);
    let _module = LittleStack::take(&mut settings);
    let envoy = Envoy::with(settings, &bundle);
    let (magic, good, bad) = (magic(), review_bytes(&pod(false)), review_bytes(&pod(true)));
    for _ in 0..2 {
        let reply = envoy.review(&magic);
        assert!(
            (500..600).contains(&reply.status),
            "the VM dies: {} {}",
            reply.status,
            reply.text()
        );
        assert!(reply.took < Duration::from_secs(8), "{:?}", reply.took);

        let started = Instant::now();
        loop {
            let reply = envoy.review(&good);
            if reply.status == 200 {
                assert!(reply.is_allowed());
                break;
            }
            assert!(reply.status >= 500, "{}", reply.status);
            assert!(
                started.elapsed() < Duration::from_millis(500),
                "it does not come back: {}",
                reply.text()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!envoy.review(&bad).is_allowed());
    }
}

pub(crate) fn magic() -> Vec<u8> {
    let mut object = pod(false);
    if let Some(metadata) = object.pointer_mut("/metadata") {
        *metadata = json!({"name": "web", "namespace": "shop", "labels": {"magic": "boom"}});
    }
    review_bytes(&object)
}

/// A request that waits for words when its VM dies: nobody resumes it, so the stream's own end must.
#[test]
fn a_request_in_a_filter_that_dies_does_not_hang() {
    let bundle = policies(&[PRIVILEGED, &exhausts_the_stack()]);
    let mut settings = settings("in-flight", &bundle, Explainer::Other);
    let _module = LittleStack::take(&mut settings);
    settings.concurrency = 1;
    settings
        .render_arguments
        .extend(["--explainer-timeout-ms".to_owned(), "5000".to_owned()]);
    // The project's own template, with less patience than a test has.
    let template = fs::read_to_string(&settings.envoy_template).unwrap();
    let hasty = template.replace("max_stream_duration: 32s", "max_stream_duration: 3s");
    assert_ne!(template, hasty, "a stream has an end");
    settings.envoy_template = settings.run_dir.with_extension("envoy.yaml");
    fs::write(&settings.envoy_template, hasty).unwrap();
    let template = settings.envoy_template.clone();
    let fake = Fake::listen(settings.ports.explainer);
    fake.behave(Manner::Hang);
    let envoy = Envoy::with(settings, &bundle);
    fs::remove_file(template).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| envoy.review(&review_bytes(&pod(true))));
        let started = Instant::now();
        while fake.asked() == 0 {
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "the explainer is never asked"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(envoy.review(&magic()).status >= 500);
        let reply = waiting.join().unwrap();
        assert!(reply.status >= 400, "{} {}", reply.status, reply.text());
        assert!(reply.took < Duration::from_secs(5), "{:?}", reply.took);
    });
}

#[test]
fn a_review_over_the_limit_is_refused_in_words() {
    let bundle = policies(&[PRIVILEGED]);
    let mut settings = settings("limit", &bundle, Explainer::Other);
    settings
        .render_arguments
        .extend(["--max-body-bytes".to_owned(), "100000".to_owned()]);
    let envoy = Envoy::with(settings, &bundle);
    for size in [100_001, 300_000, 4_000_000] {
        let mut body = review_bytes(&pod(false));
        body.resize(size, b' ');
        // A proxy may answer, and close, before it has read everything: the API server sees an answer or a broken connection.
        match envoy.send("?timeout=10s", &body) {
            Ok(reply) if reply.status == 200 => {
                assert!(!reply.is_allowed());
                assert!(reply.message().contains("100000"), "{}", reply.message());
            }
            Ok(reply) => assert_eq!(reply.status, 413, "{}", reply.text()),
            Err(error) => assert!(!matches!(error, ureq::Error::Timeout(_)), "{size}: {error}"),
        }
        assert!(envoy.review(&review_bytes(&pod(false))).is_allowed());
    }
}

#[test]
fn reviews_of_many_megabytes_are_judged() {
    let envoy = Envoy::start("large", &policies(&[PRIVILEGED]), Explainer::Other);
    for (is_privileged, size) in [(false, 3 << 20), (true, 7 << 20)] {
        let mut object = pod(is_privileged);
        let padding = "x".repeat(size);
        if let Some(metadata) = object.pointer_mut("/metadata") {
            *metadata = json!({"name": "web", "namespace": "shop", "annotations": {"padding": padding}});
        }
        let body = review_bytes(&object);
        let reply = envoy.review(&body);
        assert_eq!(reply.is_allowed(), !is_privileged);
        assert_eq!(reply.body, envoy.native(&body));
        assert!(reply.took < Duration::from_secs(5), "{:?}", reply.took);
    }
}
