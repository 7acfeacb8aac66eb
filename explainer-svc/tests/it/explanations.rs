//! `GET /e/{id}`: the page and the JSON behind a permanent link.

use engine::explain::wire::ExplainRequest;
use explainer_svc::store::Explanation;
use explainer_svc::ui;
use insta::{assert_json_snapshot, assert_snapshot};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{PRIVILEGED, TestServer, denial, replica, violation};

async fn get(server: &TestServer, id: &str, accept: &str) -> Response {
    server
        .client
        .get(format!("{}/e/{id}", server.url))
        .header("accept", accept)
        .send()
        .await
        .unwrap()
}

/// The page without the style, which is the same on every page.
fn page(request: Value, adjust: impl FnOnce(&mut Explanation)) -> String {
    let request: ExplainRequest = serde_json::from_value(request).unwrap();
    let mut explanation = Explanation {
        id: "c3bn6vdxv2pzkq4t7m5yhwr2ae".into(),
        at: 1_795_340_000_000,
        last_seen: 1_795_340_000_000,
        attempts: 1,
        team: "checkout".into(),
        request,
        message: "1 problem in Pod shop/web".into(),
        warnings: vec![],
        repeats: vec![],
        source: "engine".into(),
        words: None,
    };
    adjust(&mut explanation);
    let html = ui::explanation(&explanation).unwrap();
    let (before, rest) = html.split_once("<style>").unwrap();
    format!("{before}{}", rest.split_once("</style>\n").unwrap().1)
}

#[test]
fn the_page_of_a_denial() {
    assert_snapshot!(page(denial(), |explanation| {
        explanation.repeats = serde_json::from_value(
            json!([{"policy": "pod-security/baseline/privileged-containers", "team": "checkout", "count": 3, "windowDays": 14}]),
        )
        .unwrap();
    }));
}

#[test]
fn the_page_of_a_controllers_denial_with_failures_and_warnings() {
    let mut request = replica();
    request["fix"]["complete"] = false.into();
    request["failures"] = json!([{"policy": "a/b", "kind": "limit", "detail": "more than 1000 steps"}]);
    request["violations"]
        .as_array_mut()
        .unwrap()
        .push(violation("general/probes"));
    request["violations"][1]["action"] = "warn".into();
    request["violations"][1]["example"] = "livenessProbe: {}\n".into();
    request["violations"][1]["found"] = json!([{"path": "/spec/containers/0/livenessProbe"}]);
    assert_snapshot!(page(request, |explanation| {
        explanation.attempts = 15;
        explanation.last_seen += 120_000;
        explanation.team = "unknown".into();
    }));
}

#[test]
fn the_page_of_a_pod_that_a_deployment_makes_with_values_to_fill_in() {
    let mut request = replica();
    request["origin"] = json!({"kind": "Deployment", "namespace": "shop", "name": "web",
        "text": "This Pod is made from Deployment shop/web: change its template."});
    request["fix"] = json!({
        "patch": [{"op": "add", "path": "/metadata/labels/owner", "value": "example"}],
        "snippet": "metadata:\n  labels:\n    owner: example # fill in: the owner of this service\n",
        "lifted": "spec:\n  template:\n    metadata:\n      labels:\n        owner: example # fill in: the owner of this service\n",
        "policies": [PRIVILEGED], "complete": true, "class": "placeholder", "source": "search",
        "placeholders": [{"path": "/metadata/labels/owner", "meaning": "the owner of this service"}],
        "removes": ["/spec/hostNetwork"], "widens": ["/spec/tolerations"],
        "diff": "--- before\n+++ after\n@@ -1 +1,2 @@\n   labels:\n+    owner: \"FILL IN: the owner of this service\"\n",
    });
    request["defaulted"] = json!(["/spec/containers/0/securityContext/privileged"]);
    request["violations"]
        .as_array_mut()
        .unwrap()
        .push(violation("general/host"));
    request["unfixable"] = json!({"general/host": "Another object of the cluster decides here."});
    assert_snapshot!(page(request, |_| {}));
}

#[test]
fn the_page_of_a_rule_without_words_for_which_nothing_was_found() {
    let mut request = denial();
    request.as_object_mut().unwrap().remove("fix");
    request["violations"][0]["why"] = "".into();
    request["violations"][0]["remediation"] = "".into();
    let page = page(request, |_| {});
    assert!(page.contains("<h4>No change that passes was found</h4>"), "{page}");
    assert!(
        page.contains("A privileged container has all rights on its node"),
        "{page}"
    );
    assert!(page.contains("The rule gives no reason of its own"), "{page}");
    assert!(page.contains("Ask those who keep the rule <code>"), "{page}");
}

#[test]
fn a_mark_above_a_line_marks_that_line_too() {
    let mut request = denial();
    request["fix"]["class"] = "placeholder".into();
    request["fix"]["snippet"] = "labels:\n  # fill in: one\n  # and more\n  owner: x\n  tier: y\n".into();
    let page = page(request, |_| {});
    assert!(
        page.contains("<mark>  # and more\n</mark><mark>  owner: x\n</mark>  tier: y\n"),
        "{page}"
    );
}

#[test]
fn the_page_of_what_another_webhook_denied() {
    let mut request = denial();
    let own = "[must-have-owner] you must provide labels: {\"owner\"}";
    request["violations"][0]["policy"] = "webhook/gatekeeper/must-have-owner".into();
    request["fix"]["policies"] = json!(["webhook/gatekeeper/must-have-owner"]);
    request["upstream"] = json!({"webhook": "gatekeeper", "message": own,
        "items": [{"policy": "must-have-owner", "message": "you must provide labels: {\"owner\"}", "known": true}]});
    assert_snapshot!(page(request, |_| {}));
}

#[test]
fn the_page_has_the_command_as_it_is() {
    let mut request = denial();
    let command =
        "kubectl patch --local -f FILE --type=json -p '[{\"op\":\"add\",\"path\":\"/a\",\"value\":\"two  blanks\"}]'";
    request["fix"]["kubectl"] = command.into();
    let html = page(request, |_| {});
    let shown = command.replace('"', "&#34;").replace('\'', "&#39;");
    assert!(html.contains(&shown), "{html}");
}

#[test]
fn nothing_that_a_user_or_a_policy_wrote_is_markup() {
    const EVIL: &str = "<script>alert(1)</script>\"'><img src=x>\u{1b}[31mred\u{7}\u{202e}gpj";
    let mut request = denial();
    for field in [
        "namespace",
        "name",
        "username",
        "fieldManager",
        "operation",
        "subResource",
    ] {
        request["review"][field] = EVIL.into();
    }
    for field in ["policy", "title", "message", "why", "remediation", "example"] {
        request["violations"][0][field] = EVIL.into();
    }
    request["violations"][0]["found"] = json!([{"path": EVIL, "value": EVIL}]);
    request["violations"][0]["controls"] = json!([EVIL]);
    request["violations"][0]["links"] = json!([
        {"description": EVIL, "ref": format!("https://example.test/\"onmouseover=\"{EVIL}")},
        {"description": "", "ref": "javascript:alert(1)"},
        {"description": "data", "ref": "data:text/html,<script>"},
        {"description": "upper case", "ref": "HTTPS://example.test/"},
    ]);
    request["failures"] = json!([{"policy": EVIL, "kind": "error", "detail": EVIL}]);
    for field in ["snippet", "lifted", "diff", "kubectl"] {
        request["fix"][field] = EVIL.into();
    }
    for field in ["removes", "widens"] {
        request["fix"][field] = json!([EVIL]);
    }
    request["fix"]["placeholders"] = json!([{"path": EVIL, "meaning": EVIL}]);
    request["origin"] = json!({"kind": EVIL, "namespace": EVIL, "name": EVIL, "text": EVIL});
    request["unfixable"] = json!({EVIL: EVIL});
    request["upstream"] = json!({"webhook": EVIL, "message": EVIL, "items": [{"policy": EVIL, "message": EVIL}]});
    request["defaulted"] = json!([EVIL]);
    request["fix"]["patch"] = json!([{"op": "add", "path": EVIL, "value": EVIL}]);
    request["revision"] = EVIL.into();
    let html = page(request, |explanation| {
        explanation.team = EVIL.into();
        explanation.message = EVIL.into();
        explanation.repeats =
            serde_json::from_value(json!([{"policy": EVIL, "team": EVIL, "count": 2, "windowDays": 14}])).unwrap();
    });
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert!(
        !html.contains(['\u{1b}', '\u{7}', '\u{202e}']),
        "control characters are gone"
    );
    assert!(!html.contains("\"onmouseover"), "{html}");
    let links: Vec<&str> = html
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(links.len(), 2, "only http and https are links: {links:?}");
    assert!(
        links
            .iter()
            .all(|link| link.to_lowercase().starts_with("https://example.test/")),
        "{links:?}"
    );
}

#[tokio::test]
async fn a_link_shows_a_page_or_json() {
    let server = TestServer::start().await;
    let answer = server.explain(&denial()).await;
    let id = answer["id"].as_str().unwrap();

    let html = get(&server, id, "text/html,application/xhtml+xml,*/*;q=0.8").await;
    assert_eq!(html.status(), StatusCode::OK);
    let headers = html.headers().clone();
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["vary"], "Accept");
    assert_eq!(headers["cache-control"], "private, no-cache");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["x-robots-tag"], "noindex, nofollow");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(
        html.text()
            .await
            .unwrap()
            .contains("Containers must not run privileged")
    );

    let json = get(&server, id, "text/html;q=0.1, application/json").await;
    assert_eq!(json.headers()["content-type"], "application/json");
    assert_eq!(json.headers()["vary"], "Accept");
    let mut body: Value = json.json().await.unwrap();
    assert_eq!(body["message"], answer["message"]);
    assert_eq!(body["repeats"], answer["repeats"]);
    assert_eq!(body["fix"]["patch"], denial()["fix"]["patch"]);
    assert_eq!(body["request"]["review"]["fieldManager"], "kubectl-client-side-apply");
    for field in ["id", "url", "at", "lastSeen", "message"] {
        body[field] = format!("<{field}>").into();
    }
    assert_json_snapshot!(body);
}

#[tokio::test]
async fn a_link_that_leads_nowhere_says_so_both_ways() {
    let server = TestServer::start().await;
    let html = get(&server, "aaaaaaaaaaaaaaaaaaaaaaaaaa", "*/*").await;
    assert_eq!(html.status(), StatusCode::NOT_FOUND);
    assert!(html.text().await.unwrap().contains("<h1>No such explanation</h1>"));
    let long = "a".repeat(5000);
    for id in ["aaaaaaaaaaaaaaaaaaaaaaaaaa", "%3Cscript%3E", "%00", long.as_str()] {
        let json = get(&server, id, "application/json").await;
        assert_eq!(json.status(), StatusCode::NOT_FOUND, "{id}");
        assert_eq!(json.headers()["content-type"], "application/problem+json");
    }
    let neither = get(&server, "aaaaaaaaaaaaaaaaaaaaaaaaaa", "image/png").await;
    assert_eq!(neither.status(), StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn ids_are_not_guessed_from_one_another() {
    let server = TestServer::start().await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(server.explain(&denial()).await["id"].as_str().unwrap().to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20);
    assert!(
        ids.windows(2).all(|pair| pair[0].get(..4) != pair[1].get(..4)),
        "no common beginning: {ids:?}"
    );
}
