//! One stack for all tests of this program, a namespace for each, and kubectl's words made comparable.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use engine::policy::bundle::Bundle;
use serde_json::{Value, json};
use wasm_tests::fixtures::library;
use wasm_tests::stack::{Settings, TestStack};

/// The library, and what it has no policy for: connections and evictions.
const EXTRA: [(&str, &str); 2] = [
    (
        "tests/no-exec/policy.rego",
        r#"# METADATA
# title: Nobody opens a shell in production
# description: What is changed by hand is lost, and nobody knows of it.
# custom:
#   remediation: Look at the logs, or use an ephemeral container in a copy of the Pod (kubectl debug --copy-to).
#   match:
#     kinds: [{apiGroups: [""], kinds: [PodExecOptions]}]
#     operations: [CONNECT]
#     subresources: [exec]
package tests.no_exec

deny contains violation if {
	startswith(input.request.name, "locked")
	violation := {"msg": sprintf("Nobody may run %v in Pod %v.", [input.request.object.command, input.request.name]), "path": "/command"}
}
"#,
    ),
    (
        "tests/no-eviction/policy.rego",
        r#"# METADATA
# title: Some Pods stay where they are
# custom:
#   remediation: Wait until its work is done.
#   match:
#     kinds: [{apiGroups: [policy], kinds: [Eviction]}]
#     operations: [CREATE]
#     subresources: [eviction]
package tests.no_eviction

deny contains sprintf("Pod %v may not be evicted.", [input.request.name]) if startswith(input.request.name, "locked")
"#,
    ),
];

static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

struct Shared {
    stack: RwLock<TestStack>,
    bundle: PathBuf,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.bundle);
    }
}

/// A test's part of the cluster. The stack runs as long as any test has one.
pub(crate) struct Cluster {
    shared: Arc<Shared>,
    namespace: String,
}

/// What kubectl printed, and whether it was content.
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) success: bool,
}

impl Cluster {
    pub(crate) fn with_namespace(namespace: &str) -> Self {
        let cluster = Self {
            shared: shared(),
            namespace: namespace.to_owned(),
        };
        let made = cluster.kubectl_in("default", &["create", "namespace", namespace], None);
        assert!(made.success, "{}", made.text);
        cluster
    }

    pub(crate) fn stack(&self) -> RwLockReadGuard<'_, TestStack> {
        self.shared.stack.read().unwrap()
    }

    /// Waits until no other test uses the stack, and keeps them out.
    pub(crate) fn alone(&self) -> Alone<'_> {
        Alone {
            stack: self.shared.stack.write().unwrap(),
            namespace: &self.namespace,
        }
    }

    /// Runs kubectl in the test's namespace, with a manifest on its standard input.
    pub(crate) fn kubectl(&self, arguments: &[&str], manifest: Option<&Value>) -> Said {
        self.kubectl_in(&self.namespace, arguments, manifest)
    }

    fn kubectl_in(&self, namespace: &str, arguments: &[&str], manifest: Option<&Value>) -> Said {
        kubectl(&self.stack(), namespace, arguments, manifest)
    }

    /// As kubectl printed it, without what differs from run to run.
    pub(crate) fn redacted(&self, text: &str) -> String {
        redacted(&self.stack(), text)
    }

    /// One command as a person types it, and what came of it.
    pub(crate) fn transcript(&self, out: &mut String, arguments: &[&str], manifest: Option<&Value>) -> bool {
        let said = self.kubectl(arguments, manifest);
        let code = if said.success { "" } else { "(exit code not 0)\n" };
        write!(
            out,
            "$ kubectl {}\n{}{code}\n",
            arguments.join(" "),
            self.redacted(&said.text)
        )
        .unwrap();
        said.success
    }

    /// The first explanation link in a text.
    pub(crate) fn link(&self, text: &str) -> String {
        let stack = self.stack();
        let prefix = format!("{}/e/", stack.explainer_url());
        let rest = text
            .split_once(&prefix)
            .unwrap_or_else(|| panic!("no link in {text}"))
            .1;
        let id: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            .collect();
        format!("{prefix}{id}")
    }
}

/// The stack, for a test that breaks it.
pub(crate) struct Alone<'a> {
    pub(crate) stack: RwLockWriteGuard<'a, TestStack>,
    namespace: &'a str,
}

impl Alone<'_> {
    pub(crate) fn kubectl(&self, arguments: &[&str], manifest: Option<&Value>) -> Said {
        kubectl(&self.stack, self.namespace, arguments, manifest)
    }
}

/// A text without the ids and the address of this stack's explainer.
pub(crate) fn redacted(stack: &TestStack, text: &str) -> String {
    let prefix = format!("{}/e/", stack.explainer_url());
    let mut parts = text.split(&prefix);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let id = part
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
            .unwrap_or(part.len());
        shown.push_str("http://explainer/e/[id]");
        shown.push_str(part.get(id..).unwrap_or_default());
    }
    shown
}

pub(crate) fn kubectl(stack: &TestStack, namespace: &str, arguments: &[&str], manifest: Option<&Value>) -> Said {
    // Before `--`, behind which a command for the Pod begins.
    let mut command = stack.kubectl(["--namespace", namespace]);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    if let Some(manifest) = manifest {
        stdin.write_all(manifest.to_string().as_bytes()).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Said {
        text,
        success: output.status.success(),
    }
}

fn shared() -> Arc<Shared> {
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(running) = shared.upgrade() {
        return running;
    }
    let started = Arc::new(start());
    *shared = Arc::downgrade(&started);
    started
}

fn start() -> Shared {
    let library = library().unwrap();
    let mut files: Vec<_> = library.files.into_iter().map(|file| (file.path, file.text)).collect();
    files.extend(EXTRA.map(|(path, text)| (path.to_owned(), text.to_owned())));
    let (stack, bundle) = start_with(&Bundle::new(library.settings, files));
    Shared {
        stack: RwLock::new(stack),
        bundle,
    }
}

/// A stack with these policies, and the file that they are in.
pub(crate) fn start_with(bundle: &Bundle) -> (TestStack, PathBuf) {
    let mut settings = Settings::for_test("cluster").unwrap();
    if let Some(filter) = std::env::var_os("WHYNOT_FILTER_WASM") {
        settings.filter = filter.into();
    }
    settings.bundle = settings.run_dir.with_extension("bundle.json");
    fs::create_dir_all(settings.run_dir.parent().unwrap()).unwrap();
    fs::write(&settings.bundle, bundle.to_json()).unwrap();
    let path = settings.bundle.clone();
    let stack = TestStack::start(settings).unwrap_or_else(|error| panic!("{error:#}"));
    (stack, path)
}

/// A Pod that every policy passes without a word, unless it is privileged.
pub(crate) fn pod(name: &str, team: &str, is_privileged: bool) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name, "team": team}},
        "spec": pod_spec(is_privileged),
    })
}

pub(crate) fn deployment(name: &str, team: &str, is_privileged: bool) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"team": team}},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/name": name, "team": team}},
                "spec": pod_spec(is_privileged),
            },
        },
    })
}

fn pod_spec(is_privileged: bool) -> Value {
    let probe = json!({"httpGet": {"path": "/", "port": 8080}});
    json!({"automountServiceAccountToken": false, "containers": [{
        "name": "app", "image": "registry.example.com/web:1.4.2",
        "securityContext": {"privileged": is_privileged},
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
        "readinessProbe": probe, "livenessProbe": probe,
    }]})
}
