//! Policies from folders, pushed, refused, rolled back, waited for.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use explainer_svc::delivery::{Location, Token};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::delivery_signed::fixture;
use crate::support::TestServer;

pub(crate) const TOKEN: &str = "an administrator's token";

/// A policy that says this.
pub(crate) fn rego(message: &str) -> String {
    format!("package a\n\nimport rego.v1\n\ndeny contains {message:?} if input.request.object.data.x\n")
}

/// Its test, which passes or not.
pub(crate) fn test_of(message: &str) -> String {
    format!(
        "package a_test\n\nimport rego.v1\n\nimport data.a\n\ntest_it if a.deny == {{{message:?}}} with input as \
         {{\"request\": {{\"object\": {{\"data\": {{\"x\": true}}}}}}}}\n"
    )
}

/// As `opa build` packs.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut raw = Vec::new();
    for (name, content) in files {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000000000");
        header[148..156].copy_from_slice(b"        ");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        raw.extend_from_slice(&header);
        raw.extend_from_slice(content);
        raw.resize(raw.len().next_multiple_of(512), 0);
    }
    raw.resize(raw.len() + 1024, 0);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&raw).unwrap();
    packed.finish().unwrap()
}

/// A bundle with a policy that says this, and its test.
pub(crate) fn bundle(message: &str) -> Vec<u8> {
    archive(&[
        ("a.rego", rego(message).as_bytes()),
        ("a_test.rego", test_of(message).as_bytes()),
    ])
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub(crate) fn token(folder: &Path) -> Token {
    let path = folder.join("token");
    fs::write(&path, TOKEN).unwrap();
    Token::open(path).unwrap()
}

/// A server that takes pushes.
pub(crate) async fn pushed_to() -> (TestServer, TempDir) {
    let folder = TempDir::new().unwrap();
    let token = token(folder.path());
    let server = TestServer::with(|config| config.policies.administrator = Some(token)).await;
    (server, folder)
}

/// A server whose policies are in a folder.
async fn from_folder(folder: &Path) -> TestServer {
    let (paths, token) = (vec![folder.join("policies")], token(folder));
    TestServer::with(|config| {
        config.policies.location = Location::Files(paths);
        config.policies.administrator = Some(token);
    })
    .await
}

impl TestServer {
    pub(crate) async fn push(&self, body: Vec<u8>) -> Response {
        let request = self.client.post(format!("{}/v1/policies", self.url)).bearer_auth(TOKEN);
        request
            .header("content-type", "application/gzip")
            .body(body)
            .send()
            .await
            .unwrap()
    }

    /// Pushes what is taken, and says its revision.
    pub(crate) async fn pushed(&self, body: Vec<u8>) -> String {
        let response = self.push(body).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["revision"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn roll_back(&self, body: Value) -> Response {
        let request = self
            .client
            .post(format!("{}/v1/policies/rollback", self.url))
            .bearer_auth(TOKEN);
        request.json(&body).send().await.unwrap()
    }

    pub(crate) async fn status(&self) -> Value {
        self.json("/v1/policies/status").await
    }

    pub(crate) async fn revision(&self) -> String {
        self.status().await["current"]["revision"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The texts of the current policies.
    pub(crate) async fn served(&self) -> String {
        self.get("/v1/policies").await.text().await.unwrap()
    }

    /// Waits for something to be true of the status.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let status = self.status().await;
            if is_so(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "{what}: {status:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn a_folder_is_followed_within_two_seconds_and_what_is_wrong_changes_nothing() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "policies/a.rego", &rego("one"));
    let server = from_folder(folder.path()).await;
    let one = server.revision().await;
    assert!(server.served().await.contains("one"));

    let begun = Instant::now();
    write(folder.path(), "policies/a.rego", &rego("two"));
    server
        .until("changed", |status| status["current"]["revision"] != one.as_str())
        .await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let two = server.revision().await;
    assert!(server.served().await.contains("two"));

    write(folder.path(), "policies/a.rego", "package a\n\ndeny contains nothing\n");
    let status = server
        .until("refused", |status| !status["refused"].as_array().unwrap().is_empty())
        .await;
    let refused = &status["refused"][0];
    assert!(
        refused["reasons"][0].as_str().unwrap().contains("policies/a.rego:3: "),
        "{refused}"
    );
    assert_eq!(status["current"]["revision"], two.as_str());
    assert_eq!(server.get("/v1/policies").await.headers()["etag"], format!("\"{two}\""));

    write(folder.path(), "policies/a.rego", &rego("three"));
    write(folder.path(), "policies/a_test.rego", &test_of("four"));
    let status = server
        .until("tests fail", |status| status["refused"].as_array().unwrap().len() == 2)
        .await;
    let reason = status["refused"][0]["reasons"][0].as_str().unwrap();
    assert!(
        reason.contains("a_test.rego:7: the test a_test.test_it failed"),
        "{reason}"
    );
    assert!(status["refused"][0]["revision"].is_string());
    assert_eq!(server.revision().await, two);

    write(folder.path(), "policies/a_test.rego", &test_of("three"));
    server
        .until("right again", |status| status["current"]["revision"] != two.as_str())
        .await;
    assert!(server.served().await.contains("three"));

    fs::remove_dir_all(folder.path().join("policies")).unwrap();
    let status = server
        .until("gone", |status| status["source"]["lastError"].is_string())
        .await;
    assert_eq!(status["source"]["kind"], "directory");
    assert!(
        server.served().await.contains("three"),
        "policies that are gone are no empty set"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_config_map_is_swapped_whole() {
    let folder = TempDir::new().unwrap();
    let mount = folder.path().join("policies");
    let version = |name: &str, message: &str| {
        write(&mount.join(name), "a.rego", &rego(message));
        write(&mount.join(name), "a_test.rego", &test_of(message));
    };
    version("..2026_1", "one");
    symlink("..2026_1", mount.join("..data")).unwrap();
    for name in ["a.rego", "a_test.rego"] {
        symlink(PathBuf::from("..data").join(name), mount.join(name)).unwrap();
    }
    let server = from_folder(folder.path()).await;
    version("..2026_2", "two");
    symlink("..2026_2", mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    fs::remove_dir_all(mount.join("..2026_1")).unwrap();
    let one = server.revision().await;
    let status = server
        .until("swapped", |status| status["current"]["revision"] != one.as_str())
        .await;
    assert_eq!(status["refused"], json!([]), "nothing was read in between");
    assert!(server.served().await.contains("two"));
}

#[tokio::test]
async fn a_push_is_taken_once_and_every_problem_is_told() {
    let (server, _folder) = pushed_to().await;
    let missing = server.get("/v1/policies").await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert!(missing.text().await.unwrap().contains("whynot policy push"));

    let first: Value = server.push(bundle("one")).await.json().await.unwrap();
    assert_eq!(first["changed"], true);
    let again: Value = server.push(bundle("one")).await.json().await.unwrap();
    assert_eq!(again, json!({"revision": first["revision"], "changed": false}));
    assert_eq!(server.status().await["history"].as_array().unwrap().len(), 1);

    // The JSON that `whynot policy build` writes is the same revision.
    let built = server.served().await.into_bytes();
    let json: Value = server.push(built).await.json().await.unwrap();
    assert_eq!(json, again);

    let broken = archive(&[
        ("a.rego", b"package a\n\ndeny contains nothing\n"),
        ("b.rego", b"package b\n\ndeny contains 1 if x := \n"),
    ]);
    let response = server.push(broken).await;
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = response.json().await.unwrap();
    let reasons = problem["reasons"].to_string();
    assert!(
        reasons.contains("a.rego:3") && reasons.contains("b.rego:4"),
        "{reasons}"
    );
    assert_eq!(server.revision().await, first["revision"].as_str().unwrap());
}

#[tokio::test]
async fn each_bad_bundle_is_refused_with_its_reason_in_the_status() {
    let (server, _folder) = pushed_to().await;
    let good = server.pushed(bundle("good")).await;
    let whole = bundle("cut off");
    let bomb = archive(&[("a.rego", &vec![b' '; 70 << 20])]);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let failing = archive(&[
        ("a.rego", rego("x").as_bytes()),
        ("a_test.rego", test_of("y").as_bytes()),
    ]);
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("cut off", whole[..whole.len() / 2].to_vec(), "cannot be unpacked"),
        ("zip bomb", bomb, "the limit"),
        (
            "outside",
            archive(&[("../../etc/passwd", b"x")]),
            "leads out of the archive",
        ),
        ("tests", failing, "the test a_test.test_it failed"),
        ("empty", archive(&[]), "no policy found"),
        ("no bundle", b"not a bundle".to_vec(), "expected"),
        (
            "signed by nobody known",
            fs::read(fixture("good/es256.tar.gz")).unwrap(),
            "signature",
        ),
    ];
    for (name, body, expected) in cases {
        let response = server.push(body).await;
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        let status = server.status().await;
        let reasons = status["refused"][0]["reasons"].to_string();
        assert!(reasons.contains(expected), "{name}: {reasons}");
        assert_eq!(status["refused"][0]["origin"], "push");
        assert_eq!(server.revision().await, good, "{name}");
    }
    // More than is read at all: the sender may see the answer, or the connection closed.
    let request = server
        .client
        .post(format!("{}/v1/policies", server.url))
        .bearer_auth(TOKEN);
    if let Ok(response) = request.body(vec![0_u8; 100 << 20]).send().await {
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    assert_eq!(server.revision().await, good);
    let metrics = server.get("/metrics").await.text().await.unwrap();
    for line in [
        "whynot_policy_refusals_total 7".to_owned(),
        "whynot_policy_swaps_total 1".to_owned(),
        format!("whynot_policies{{revision=\"{good}\"}} 1"),
    ] {
        assert!(metrics.contains(&line), "{line} in\n{metrics}");
    }
}

#[tokio::test]
async fn only_the_administrator_changes_policies() {
    let open = TestServer::start().await;
    for path in ["/v1/policies", "/v1/policies/rollback"] {
        let response = open
            .client
            .post(format!("{}{path}", open.url))
            .bearer_auth("x")
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert!(response.text().await.unwrap().contains("--admin-token-file"));
    }
    let (server, _folder) = pushed_to().await;
    let url = format!("{}/v1/policies", server.url);
    let attempts = [
        server.client.post(&url),
        server.client.post(&url).bearer_auth(""),
        server.client.post(&url).bearer_auth("an administrator's toke"),
        server
            .client
            .post(&url)
            .header("authorization", format!("Basic {TOKEN}")),
    ];
    for attempt in attempts {
        let response = attempt.body(bundle("x")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
    assert_eq!(server.status().await["current"], Value::Null);
}

#[tokio::test]
async fn a_push_beside_a_source_is_a_conflict_that_names_it() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "policies/a.rego", &rego("one"));
    let server = from_folder(folder.path()).await;
    let response = server.push(bundle("two")).await;
    assert_eq!(response.status(), StatusCode::CONFLICT);
    let path = folder.path().join("policies").display().to_string();
    assert!(response.text().await.unwrap().contains(&path));
}

#[tokio::test]
async fn a_rollback_holds_until_the_source_has_something_else() {
    let folder = TempDir::new().unwrap();
    let change = |message: &str| write(folder.path(), "policies/a.rego", &rego(message));
    change("good");
    let server = from_folder(folder.path()).await;
    let good = server.revision().await;
    let nothing = server.roll_back(json!({})).await;
    assert_eq!(nothing.status(), StatusCode::NOT_FOUND);

    change("bad");
    server
        .until("bad", |status| status["current"]["revision"] != good.as_str())
        .await;
    let bad = server.revision().await;
    let back: Value = server.roll_back(json!({})).await.json().await.unwrap();
    assert_eq!(back, json!({"revision": good, "changed": true}));
    let status = server.status().await;
    assert_eq!(status["history"][0]["by"], "rollback");
    assert_eq!(status["avoided"], json!([bad]));

    // The same content again, as from a source that is read anew.
    change("bad");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(server.revision().await, good, "what was rolled back stays away");
    assert_eq!(server.status().await["source"]["heldBack"], bad.as_str());

    change("better");
    server
        .until("better", |status| status["current"]["revision"] != good.as_str())
        .await;
    assert!(server.served().await.contains("better"));
    assert_eq!(server.status().await["source"]["heldBack"], Value::Null);
    // Whoever goes back to it after something else wants it.
    change("bad");
    server
        .until("bad again", |status| status["current"]["revision"] == bad.as_str())
        .await;
    change("better");
    server
        .until("better again", |status| status["current"]["revision"] != bad.as_str())
        .await;
    let unknown = server.roll_back(json!({"revision": "ffffffffffff"})).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert!(unknown.text().await.unwrap().contains(&good));
    assert_eq!(
        server.roll_back(json!({"revison": 1})).await.status(),
        StatusCode::BAD_REQUEST
    );
    // Named, even the bad one can be had.
    let named: Value = server.roll_back(json!({"revision": bad})).await.json().await.unwrap();
    assert_eq!(named["revision"], bad.as_str());
}

#[tokio::test]
async fn workers_are_known_as_they_report_and_make_up_no_metrics() {
    let (server, _folder) = pushed_to().await;
    let one = server.pushed(bundle("one")).await;
    let report = |workers: Value| {
        let body = json!({"apiVersion": "whynot.dev/v1", "proxy": "edge/1f", "workers": workers});
        server
            .client
            .post(format!("{}/v1/filter/status", server.url))
            .json(&body)
            .send()
    };
    let workers = json!([
        {"id": 1, "generation": 2, "requests": 9, "active": one, "staged": [one], "context": "c", "contextAgeMs": 5,
         "state": "serving", "failed": null},
        {"id": 2, "active": "made-up", "state": "serving"},
        {"id": 3, "active": null, "state": "idle", "ofALaterVersion": true},
    ]);
    assert_eq!(report(workers).await.unwrap().status(), StatusCode::NO_CONTENT);
    let status = server.status().await;
    assert_eq!(status["proxies"][0]["proxy"], "edge/1f");
    assert_eq!(status["proxies"][0]["workers"][0]["active"], one.as_str());
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains(&format!("whynot_policy_workers{{revision=\"{one}\"}} 1")),
        "{metrics}"
    );
    assert!(
        metrics.contains("whynot_policy_workers{revision=\"other\"} 1"),
        "{metrics}"
    );
    assert!(!metrics.contains("made-up"));
    let many: Vec<Value> = (0..200)
        .map(|id| json!({"id": id, "state": "idle", "active": "x".repeat(400)}))
        .collect();
    assert_eq!(
        report(many.into()).await.unwrap().status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    for wrong in [
        json!([{"id": 1, "state": "asleep"}]),
        json!([{"id": 1, "state": "idle", "active": "x".repeat(4096)}]),
    ] {
        let response = report(wrong).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn what_was_current_is_current_after_a_restart_without_the_source() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "policies/a.rego", &rego("one"));
    let database = folder.path().join("state/whynot.db");
    let start = async |paths: Vec<PathBuf>| {
        let mut server = TestServer::at(&database, |config| config.policies.location = Location::Files(paths)).await;
        let revision = server.revision().await;
        let text = server.served().await;
        server.begin_stop();
        server.stopped().await;
        (revision, text)
    };
    let (one, text) = start(vec![folder.path().join("policies")]).await;
    write(folder.path(), "policies/a.rego", "package a\n\ndeny contains nothing\n");
    assert_eq!(
        start(vec![folder.path().join("policies")]).await,
        (one.clone(), text.clone()),
        "wrong now"
    );
    assert_eq!(start(vec![folder.path().join("gone")]).await, (one, text), "gone now");
}
