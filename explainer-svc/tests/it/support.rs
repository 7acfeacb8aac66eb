//! A server for one test, and what it is asked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use explainer_svc::config::Config;
use explainer_svc::server::Server;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const PRIVILEGED: &str = "pod-security/baseline/privileged-containers";

/// Answers on a free port until the test ends or stops it.
pub(crate) struct TestServer {
    pub(crate) url: String,
    pub(crate) client: Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<anyhow::Result<()>>,
    /// Deleted with the server, unless the test brought its own.
    folder: Option<TempDir>,
    pub(crate) database: PathBuf,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut server = Self::at(&folder.path().join("state/whynot.db"), adjust).await;
        server.folder = Some(folder);
        server
    }

    pub(crate) async fn at(database: &Path, adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("127.0.0.1:0".parse().unwrap(), database.to_owned());
        adjust(&mut config);
        let server = Server::bind(config).await.unwrap();
        let url = format!("http://{}", server.address());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self {
            url,
            client: client(),
            stop: Some(stop),
            task,
            folder: None,
            database: database.to_owned(),
        }
    }

    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Begins the shutdown.
    pub(crate) fn begin_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits until the server is gone.
    pub(crate) async fn stopped(self) {
        self.task.await.unwrap().unwrap();
    }

    pub(crate) async fn stop(mut self) {
        self.begin_stop();
        self.stopped().await;
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let request = self
            .client
            .get(format!("{}{path}", self.url))
            .header("accept", "application/json");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    pub(crate) async fn post(&self, body: &Value) -> Response {
        self.client
            .post(format!("{}/v1/explain", self.url))
            .json(body)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn explain(&self, body: &Value) -> Value {
        let response = self.post(body).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The count of one policy in the answer to one more denial; none when nothing is claimed.
    pub(crate) async fn count(&self, body: &Value) -> Option<u64> {
        let answer = self.explain(body).await;
        answer["repeats"]
            .as_array()
            .unwrap()
            .first()
            .map(|repeat| repeat["count"].as_u64().unwrap())
    }

    pub(crate) async fn violations(&self) -> Vec<Value> {
        self.json("/v1/violations").await["items"].as_array().unwrap().clone()
    }
}

/// A client. It has to be told who does TLS, although nobody here does.
pub(crate) fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().timeout(Duration::from_secs(20)).build().unwrap()
}

/// A person's denied Pod.
pub(crate) fn denial() -> Value {
    json!({
        "apiVersion": "whynot.dev/v1", "revision": "3f2a9c01d4e5", "decision": "deny", "deadlineMs": 5000,
        "review": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": "CREATE",
            "kind": {"group": "", "version": "v1", "kind": "Pod"}, "subResource": "",
            "namespace": "shop", "name": "web", "generateName": "", "dryRun": false,
            "username": "jane", "fieldManager": "kubectl-client-side-apply",
            "labels": {"team": "checkout"}, "namespaceLabels": {}, "specDigest": "aa"
        },
        "violations": [violation(PRIVILEGED)],
        "failures": [],
        "fix": {
            "patch": [{"op": "replace", "path": "/spec/containers/0/securityContext/privileged", "value": false}],
            "snippet": "spec:\n  containers:\n    - name: app\n      securityContext:\n        privileged: false\n",
            "policies": [PRIVILEGED], "complete": true
        }
    })
}

pub(crate) fn violation(policy: &str) -> Value {
    json!({
        "policy": policy, "action": "deny", "severity": "high", "title": "Containers must not run privileged",
        "message": "Container \"app\" runs privileged.",
        "found": [{"path": "/spec/containers/0/securityContext/privileged", "value": "true"}],
        "why": "A privileged container is root on the node.",
        "remediation": "Set privileged to false, or leave it out.",
        "links": [{"description": "Pod Security Standards, baseline", "ref": "https://kubernetes.io/docs/concepts/security/"}],
        "controls": ["PSS:baseline/privileged"]
    })
}

/// The same Pod, as a controller with many replicas tries to make it.
pub(crate) fn replica() -> Value {
    let mut body = denial();
    body["review"]["name"] = "".into();
    body["review"]["generateName"] = "web-5d-".into();
    body["review"]["username"] = "system:serviceaccount:kube-system:replicaset-controller".into();
    body["review"]["fieldManager"] = "".into();
    body["review"]["owner"] =
        json!({"kind": "ReplicaSet", "name": "web-5d", "uid": "5d5d5d5d-0000-4000-8000-000000000001"});
    body
}

/// `body` with one field of the review changed.
pub(crate) fn with_review(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body["review"][field] = value.into();
    body
}
