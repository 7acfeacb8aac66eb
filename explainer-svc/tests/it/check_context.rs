//! What policies know in `whynot check`, and where they come from.

use engine::policy::bundle::Bundle;
use engine::policy::settings::Settings;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::check::{check_with, folder, piped, privileged};
use crate::cli::write;
use crate::support::TestServer;

const NAMESPACES: &str = "package general.gold\n\nimport rego.v1\n\ndeny contains msg if {\n\tinput.namespace.labels.tier == \"gold\"\n\tmsg := sprintf(\"gold, and %s\", [input.namespace.labels[\"kubernetes.io/metadata.name\"]])\n}\n\ndeny contains \"twice\" if data.inventory.namespace.shop.v1.ConfigMap.a\n\ndeny contains \"here\" if data.context.cluster.name == \"prod\"\n";

#[test]
fn policies_know_namespaces_the_inventory_and_the_context() {
    let folder = TempDir::new().unwrap();
    write(&folder, "policies/gold.rego", NAMESPACES);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}});
    let messages = |report: &Value| -> Vec<String> {
        let violations = report["results"][0]["violations"].as_array().unwrap().iter();
        violations
            .map(|violation| violation["message"].as_str().unwrap().to_owned())
            .collect()
    };
    assert!(messages(&piped(&folder, &pod, &[])).is_empty());
    let gold = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tier: gold}}\n";
    write(&folder, "namespaces.yaml", gold);
    assert_eq!(
        messages(&piped(&folder, &pod, &["--namespace-file", "namespaces.yaml"])),
        ["gold, and shop"]
    );
    write(
        &folder,
        "objects.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n",
    );
    assert_eq!(
        messages(&piped(&folder, &pod, &["--inventory", "objects.yaml"])),
        ["twice"]
    );
    write(&folder, "context.yaml", "cluster: {name: prod}\n");
    assert_eq!(
        messages(&piped(&folder, &pod, &["--context", "context.yaml"])),
        ["here"]
    );
    // Among the objects themselves.
    let both = format!("{pod}\n---\n{gold}");
    let run = check_with(&folder, &["--policies", "policies", "-o", "json"], both.as_bytes());
    assert_eq!(messages(&serde_json::from_str(&run.out).unwrap()), ["gold, and shop"]);
    let wrong = check_with(
        &folder,
        &["--policies", "policies", "--namespace-file", "objects.yaml"],
        b"",
    );
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.err.contains("expected objects of kind Namespace"),
        "{}",
        wrong.err
    );
}

#[test]
fn excluded_namespaces_are_excluded_and_others_can_be_named() {
    let folder = folder();
    let allowed = |arguments: &[&str]| piped(&folder, &privileged("a"), arguments)["results"][0]["allowed"].clone();
    assert_eq!(allowed(&[]), false);
    assert_eq!(allowed(&["--namespace", "kube-system"]), true);
}

#[tokio::test]
async fn a_running_explainer_gives_its_policies_and_context() {
    let folder = TempDir::new().unwrap();
    write(&folder, "policies/gold.rego", NAMESPACES);
    let sources = explainer_svc::sources::read(
        &[folder.path().join("policies")],
        &explainer_svc::sources::Options::default(),
    )
    .unwrap();
    let files = sources.files.iter().map(|file| (file.path.clone(), file.text.clone()));
    let bundle = Bundle::new(Settings::default(), files);
    let server = TestServer::with(|config| {
        config.policies.location = explainer_svc::delivery::Location::Files(vec![folder.path().join("policies")]);
        let context = serde_json::from_value(json!({"cluster": {"name": "prod"}})).unwrap();
        config.context = explainer_svc::context::Source::Fixed(Box::new(context));
    })
    .await;
    let response = server.get("/v1/policies").await;
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(etag, format!("\"{}\"", bundle.revision));
    let again = server
        .client
        .get(format!("{}/v1/policies", server.url))
        .header("if-none-match", &etag);
    assert_eq!(again.send().await.unwrap().status(), 304);

    let url = server.url.clone();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}).to_string();
    let run =
        tokio::task::spawn_blocking(move || check_with(&folder, &["--server", &url, "-o", "json"], pod.as_bytes()));
    let run = run.await.unwrap();
    assert_eq!(run.code, Some(1), "{}", run.err);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["revision"], bundle.revision);
    assert_eq!(report["results"][0]["violations"][0]["message"], "here");
}

#[tokio::test]
async fn an_explainer_without_policies_says_so() {
    let server = TestServer::start().await;
    let url = server.url.clone();
    let run = tokio::task::spawn_blocking(move || {
        let folder = TempDir::new().unwrap();
        let nowhere = check_with(&folder, &["--server", "http://127.0.0.1:9"], b"");
        (check_with(&folder, &["--server", &url], b""), nowhere)
    });
    let (run, nowhere) = run.await.unwrap();
    assert_eq!(run.code, Some(2));
    let expected = "/v1/policies answers 404: This explainer has no policies; start it with --policies, or give it some with \
                    whynot policy push.\n";
    assert!(run.err.ends_with(expected), "{}", run.err);
    assert_eq!(nowhere.code, Some(2));
    assert!(
        nowhere
            .err
            .starts_with("error: cannot read http://127.0.0.1:9/v1/policies: "),
        "{}",
        nowhere.err
    );
}
