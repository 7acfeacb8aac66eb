//! etcd, the API server, and what is applied to it.

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{Part, Stack, certs::EXPLAINER, probe, settings::Settings};

pub(super) fn etcd(settings: &Settings) -> Command {
    let client = format!("http://127.0.0.1:{}", settings.ports.etcd);
    let peer = format!("http://127.0.0.1:{}", settings.ports.etcd_peer);
    let mut command = Command::new(&settings.programs.etcd);
    command
        .arg("--data-dir")
        .arg(settings.run_dir.join("etcd"))
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .arg(format!("--initial-cluster=default={peer}"))
        // Nothing here has to survive a power cut, and a disk that is busy with compilers makes every write slow.
        .args(["--unsafe-no-fsync", "--log-level=warn"]);
    command
}

pub(super) fn api_server(settings: &Settings) -> Command {
    let tls = settings.run_dir.join("tls");
    let file = |flag: &str, name: &str| format!("--{flag}={}", tls.join(name).display());
    let mut command = Command::new(&settings.programs.kube_apiserver);
    command
        .arg(format!("--etcd-servers=http://127.0.0.1:{}", settings.ports.etcd))
        .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
        .arg(format!("--secure-port={}", settings.ports.api_server))
        .arg(format!(
            "--client-ca-file={}",
            settings.run_dir.join("ca.crt").display()
        ))
        .args([
            file("tls-cert-file", "apiserver.crt"),
            file("tls-private-key-file", "apiserver.key"),
        ])
        .args([
            file("service-account-key-file", "service-accounts.pub"),
            file("service-account-signing-key-file", "service-accounts.key"),
        ])
        .args([
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
        ])
        // No controllers run here, so nobody would make the service accounts that this plugin asks for, nor keep the
        // API server's own endpoints.
        .args([
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",
        ])
        .args(["--allow-privileged=true", "--profiling=false"]);
    command
}

/// A `kubectl` for this stack. Its home is the run folder: neither the user's settings nor their cache are touched.
pub(super) fn kubectl<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(settings: &Settings, arguments: I) -> Command {
    let mut command = Command::new(&settings.programs.kubectl);
    command
        .env("KUBECONFIG", settings.run_dir.join("kubeconfig"))
        .env("HOME", &settings.run_dir)
        .env("NO_PROXY", "127.0.0.1")
        .env_remove("KUBECTL_EXTERNAL_DIFF")
        .args(arguments);
    command
}

/// What the explainer reads the cluster with.
pub(super) fn explainer_kubeconfig(settings: &Settings) -> PathBuf {
    settings.run_dir.join("explainer.kubeconfig")
}

/// The administrator's and the explainer's.
pub(super) fn write_kubeconfigs(settings: &Settings) -> Result<()> {
    write_kubeconfig(settings, "admin", &settings.run_dir.join("kubeconfig"))?;
    write_kubeconfig(settings, "explainer", &explainer_kubeconfig(settings))
}

fn write_kubeconfig(settings: &Settings, user: &str, path: &Path) -> Result<()> {
    let read = |name: &str| -> Result<String> {
        let path = settings.run_dir.join(name);
        Ok(STANDARD.encode(fs::read(&path).with_context(|| format!("reading {}", path.display()))?))
    };
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "whynot",
        "clusters": [{"name": "whynot", "cluster": {
            "server": format!("https://127.0.0.1:{}", settings.ports.api_server), "certificate-authority-data": read("ca.crt")?}}],
        "users": [{"name": user, "user": {
            "client-certificate-data": read(&format!("tls/{user}.crt"))?,
            "client-key-data": read(&format!("tls/{user}.key"))?}}],
        "contexts": [{"name": "whynot", "context": {"cluster": "whynot", "user": user, "namespace": "default"}}],
    });
    // JSON is YAML, which is all that a kubeconfig asks for.
    super::certs::secret(path, &serde_json::to_string_pretty(&config)?)
}

/// Lets the explainer read what its policies need, by the role that it prints itself.
pub(super) fn grant(settings: &Settings) -> Result<()> {
    const ROLE: &str = "whynot-context";
    let mut print = Command::new(&settings.programs.whynot);
    print.args(["context", "rbac", "--name", ROLE]);
    if settings.live.as_ref().is_some_and(|live| live.policies.is_some()) {
        print.arg("--policies").arg(settings.policies_link());
    }
    let role = run(print, None).context("asking for the explainer's role")?;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": ROLE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": EXPLAINER}]});
    let manifests = format!("{role}---\n{binding}\n");
    run(kubectl(settings, ["apply", "-f", "-"]), Some(&manifests)).map(drop)
}

/// Applies the webhook and waits until the API server calls it: it learns of it by a watch, a moment later.
pub(super) fn install_webhook(stack: &Stack) -> Result<()> {
    let settings = stack.settings();
    let template =
        fs::read_to_string(&settings.webhook).with_context(|| format!("reading {}", settings.webhook.display()))?;
    let manifest = template
        .replace("${WEBHOOK_URL}", &stack.admission_url())
        .replace("${CA_BUNDLE}", &STANDARD.encode(fs::read(stack.ca_file())?));
    let applied = settings.run_dir.join("webhook.yaml");
    fs::write(&applied, manifest)?;
    run(
        stack.kubectl([OsStr::new("apply"), OsStr::new("-f"), applied.as_os_str()]),
        None,
    )?;

    let before = reviews(stack)?;
    let mut said = String::new();
    probe::until(Duration::from_secs(30), || {
        let probe = [
            "create",
            "configmap",
            "whynot-probe",
            "--namespace=default",
            "--dry-run=server",
            "--output=name",
        ];
        let output = stack.kubectl(probe).output()?;
        said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(if reviews(stack)? > before {
            None
        } else {
            Some(format!("no review has reached Envoy; kubectl said: {said}"))
        })
    })
    .map_err(|error| stack.with_log(Part::ApiServer, "does not call the webhook", &error))
}

/// How many requests Envoy's admission listener has had that were not probes of its health.
fn reviews(stack: &Stack) -> Result<u64> {
    let url = format!(
        "{}/stats?filter=^http.admission.downstream_rq_total$",
        stack.admin_url()
    );
    let text = probe::client(&stack.ca_file())?
        .get(&url)
        .call()
        .with_context(|| format!("asking {url}"))?
        .body_mut()
        .read_to_string()?;
    let count = text.rsplit(':').next().and_then(|count| count.trim().parse().ok());
    count.with_context(|| format!("{url} answered {text:?}"))
}

/// Runs a command that must succeed; its messages are in the error when it does not.
pub(super) fn run(mut command: Command, input: Option<&str>) -> Result<String> {
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("running {shown}"))?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!(
            "{shown} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
