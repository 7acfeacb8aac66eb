//! One webhook that the API server calls twice: itself, and through Envoy. Whatever it does, the outcome is the same, whether its
//! failure refuses or not.

use std::fs;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::policy::bundle::Bundle;
use engine::policy::settings::Settings as PolicySettings;
use serde_json::{Value, json};
use wasm_tests::fixtures::PRIVILEGED;
use wasm_tests::stack::{Settings, TestStack, free_port};
use wasm_tests::webhook::{Manner, Webhook};

use crate::support::{Said, kubectl};

/// A stack with a webhook behind it that the API server is not told of yet.
pub(crate) struct Wrapping {
    pub(crate) stack: TestStack,
    pub(crate) port: u16,
}

impl Wrapping {
    /// `path` is put before what the API server asks for.
    pub(crate) fn start(name: &str, bundle: &Bundle, path: &str) -> Self {
        let mut settings = Settings::for_test(name).unwrap();
        if let Some(filter) = std::env::var_os("WHYNOT_FILTER_WASM") {
            settings.filter = filter.into();
        }
        let port = free_port().unwrap();
        let ca = settings.run_dir.join("ca.crt").display().to_string();
        settings.render_arguments.extend([
            "--wrap".to_owned(),
            format!("behind=127.0.0.1:{port}{path},ca={ca}"),
            "--wrap".to_owned(),
            format!("changes=127.0.0.1:{port}{path},ca={ca},policies=no"),
        ]);
        settings.bundle = settings.run_dir.with_extension("bundle.json");
        fs::create_dir_all(settings.run_dir.parent().unwrap()).unwrap();
        fs::write(&settings.bundle, bundle.to_json()).unwrap();
        let file = settings.bundle.clone();
        let stack = TestStack::start(settings).unwrap_or_else(|error| panic!("{error:#}"));
        let _ = fs::remove_file(file);
        Self { stack, port }
    }

    /// Where the webhook is, and where it is behind Envoy.
    fn urls(&self, name: &str, path: &str) -> [String; 2] {
        [
            format!("https://127.0.0.1:{}{path}", self.port),
            self.stack
                .admission_url()
                .replace("/validate", &format!("/wrap/{name}{path}")),
        ]
    }

    /// A namespace whose Pods go to a webhook at this address.
    pub(crate) fn namespace(&self, namespace: &str, kind: &str, url: &str, failure_policy: &str) {
        self.namespace_of(namespace, kind, url, failure_policy, "v1");
    }

    /// The same for a webhook that knows this version of the interface alone.
    fn namespace_of(&self, namespace: &str, kind: &str, url: &str, failure_policy: &str, version: &str) {
        let ca = STANDARD.encode(fs::read(self.stack.ca_file()).unwrap());
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": namespace},
            "webhooks": [{
                "name": "behind.example.test", "clientConfig": {"url": url, "caBundle": ca},
                "admissionReviewVersions": [version], "sideEffects": "None", "timeoutSeconds": 2, "failurePolicy": failure_policy,
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            }],
        });
        let made = kubectl(&self.stack, "default", &["create", "namespace", namespace], None);
        assert!(made.success, "{}", made.text);
        let applied = kubectl(&self.stack, "default", &["create", "-f", "-"], Some(&configuration));
        assert!(applied.success, "{}", applied.text);
    }
}

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
        "spec": {"automountServiceAccountToken": false, "containers": [{"name": "app", "image": "nginx:1.27.3"}]}})
}

fn create(stack: &TestStack, namespace: &str) -> Said {
    let arguments = [
        "create",
        "--dry-run=server",
        "-o=jsonpath={.metadata.labels}",
        "-f",
        "-",
    ];
    kubectl(stack, namespace, &arguments, Some(&pod()))
}

/// Until the API server has learnt of the webhook.
fn wait(stack: &TestStack, namespace: &str, is_there: impl Fn(&Said) -> bool) {
    for _ in 0..100 {
        if is_there(&create(stack, namespace)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{namespace}: the API server does not call the webhook");
}

/// What kubectl said, without the address of who failed and how.
fn comparable(said: &Said) -> (bool, String) {
    let text = match said.text.split_once("failed calling webhook \"behind.example.test\"") {
        Some((before, _)) => format!("{before}failed"),
        None => said.text.replace(char::is_whitespace, " "),
    };
    (said.success, text)
}

#[test]
fn the_api_server_gets_the_same_through_envoy_as_from_the_webhook_itself() {
    const OWN: &str = "[must-have-owner] you must provide labels: {\"owner\"}";
    let bundle = Bundle::new(
        PolicySettings::default(),
        [("p.rego".to_owned(), PRIVILEGED.to_owned())],
    );
    let cluster = Wrapping::start("cluster-wrapped", &bundle, "");
    let stack = &cluster.stack;
    let mut namespaces = Vec::new();
    for (policy, short) in [("Fail", "fail"), ("Ignore", "ignore")] {
        let [direct, wrapped] = cluster.urls("behind", "/admit");
        let [of_direct, of_wrapped] = [format!("direct-{short}"), format!("wrapped-{short}")];
        cluster.namespace(&of_direct, "ValidatingWebhookConfiguration", &direct, policy);
        cluster.namespace(&of_wrapped, "ValidatingWebhookConfiguration", &wrapped, policy);
        namespaces.push((of_direct, of_wrapped, policy));
        if policy == "Fail" {
            let [of_direct, of_wrapped] = ["direct-older", "wrapped-older"];
            cluster.namespace_of(of_direct, "ValidatingWebhookConfiguration", &direct, policy, "v1beta1");
            cluster.namespace_of(
                of_wrapped,
                "ValidatingWebhookConfiguration",
                &wrapped,
                policy,
                "v1beta1",
            );
            namespaces.push((of_direct.to_owned(), of_wrapped.to_owned(), "v1beta1"));
        }
    }
    let [direct, wrapped] = cluster.urls("changes", "/mutate");
    cluster.namespace("direct-changes", "MutatingWebhookConfiguration", &direct, "Fail");
    cluster.namespace("wrapped-changes", "MutatingWebhookConfiguration", &wrapped, "Fail");

    // Nobody there.
    wait(stack, "direct-fail", |said| !said.success);
    wait(stack, "wrapped-fail", |said| !said.success);
    let compare = |what: &str| {
        for (direct, wrapped, policy) in &namespaces {
            let (direct, wrapped) = (comparable(&create(stack, direct)), comparable(&create(stack, wrapped)));
            assert_eq!(direct, wrapped, "{what} {policy}");
        }
    };
    compare("down");
    assert!(create(stack, "wrapped-fail").text.contains("failed calling webhook"));
    assert!(create(stack, "wrapped-ignore").success);

    let webhook = Webhook::listen(cluster.port, &stack.settings().run_dir.join("tls")).unwrap();
    webhook.behave(Manner::Deny(OWN.into()));
    for namespace in ["direct-ignore", "wrapped-ignore", "direct-changes", "wrapped-changes"] {
        wait(stack, namespace, |said| !said.success);
    }
    for manner in [
        Manner::Allow(vec!["first warning".into(), "second".into()]),
        Manner::Slow(Duration::from_secs(4)),
        Manner::Status(500),
        Manner::DenyCompressed(OWN.into()),
        Manner::Large(5 << 20),
        Manner::WrongUid,
        Manner::HalfJson,
        Manner::HalfBody,
        Manner::Nonsense,
        Manner::HangUp,
        // No validating webhook may patch.
        Manner::Patch,
    ] {
        webhook.behave(manner.clone());
        compare(&format!("{manner:?}"));
    }

    for manner in [Manner::Deny(OWN.into()), Manner::DenyInChunks(OWN.into())] {
        webhook.behave(manner);
        for (direct, wrapped, _) in &namespaces {
            let (direct, wrapped) = (create(stack, direct), create(stack, wrapped));
            assert!(!direct.success && !wrapped.success);
            let words = |text: &str| -> (String, String, String) {
                let (before, rest) = text
                    .split_once("denied the request: ")
                    .unwrap_or_else(|| panic!("{text}"));
                let (explanation, own) = rest.split_at(rest.find(OWN).unwrap_or_else(|| panic!("{text}")));
                (before.to_owned(), explanation.to_owned(), own.to_owned())
            };
            let (direct, wrapped) = (words(&direct.text), words(&wrapped.text));
            assert_eq!((direct.0, direct.1.as_str(), direct.2), (wrapped.0, "", wrapped.2));
            assert!(
                wrapped.1.starts_with("1 problem in Pod") && wrapped.1.contains("/e/"),
                "{}",
                wrapped.1
            );
        }
    }

    webhook.behave(Manner::Patch);
    let (direct, wrapped) = (create(stack, "direct-changes"), create(stack, "wrapped-changes"));
    assert!(
        wrapped.success && wrapped.text.contains("\"patched\":\"yes\"") && wrapped.text.contains("Warning: patched")
    );
    assert_eq!(direct.text, wrapped.text);
}
