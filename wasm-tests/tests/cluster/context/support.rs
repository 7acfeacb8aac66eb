//! A bare cluster (etcd and the API server), explainers that watch it, and a way to them that can be cut.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use std::{fs, thread};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use wasm_tests::stack::{Part, Settings, TestStack, client, free_port};

use crate::support::kubectl;

static SHARED: Mutex<Weak<Mutex<TestStack>>> = Mutex::new(Weak::new());
/// One test at a time: they break the cluster.
static TURN: Mutex<()> = Mutex::new(());

/// The cluster, for one test.
pub(super) struct Bare {
    stack: Arc<Mutex<TestStack>>,
    _turn: MutexGuard<'static, ()>,
}

impl Bare {
    pub(super) fn new() -> Self {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let stack = shared.upgrade().unwrap_or_else(|| {
            let mut settings = Settings::for_test("context").unwrap();
            settings.parts = [Part::Etcd, Part::ApiServer].into();
            let stack = TestStack::start(settings).unwrap_or_else(|error| panic!("{error:#}"));
            Arc::new(Mutex::new(stack))
        });
        *shared = Arc::downgrade(&stack);
        drop(shared);
        // Who waits for its turn keeps the cluster running.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self { stack, _turn: turn }
    }

    pub(super) fn stack(&self) -> MutexGuard<'_, TestStack> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs kubectl, which has to succeed.
    pub(super) fn kubectl(&self, arguments: &[&str], manifest: Option<&Value>) -> String {
        let said = kubectl(&self.stack(), "default", arguments, manifest);
        assert!(said.success, "{arguments:?}: {}", said.text);
        said.text
    }

    /// Waits until all definitions of kinds are served. kubectl gives up at once on one that has no conditions yet.
    pub(super) fn established(&self) {
        let arguments = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"];
        let begun = Instant::now();
        loop {
            let said = kubectl(&self.stack(), "default", &arguments, None);
            if said.success {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{}", said.text);
            thread::sleep(Duration::from_millis(100));
        }
    }

    pub(super) fn apply(&self, manifest: &Value) {
        self.kubectl(&["apply", "-f", "-"], Some(manifest));
    }

    pub(super) fn namespace(&self, name: &str, team: &str) {
        let manifest = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"team": team}, "annotations": {"note": "by a test"}}});
        self.apply(&manifest);
    }

    /// A service account without any right, and a token of it.
    pub(super) fn service_account(&self, name: &str) -> String {
        self.kubectl(&["create", "serviceaccount", name], None);
        self.kubectl(&["create", "token", name], None).trim().to_owned()
    }

    /// A kubeconfig with a token, to a port of the API server or of a way to it.
    pub(super) fn kubeconfig(&self, name: &str, token: &str, port: u16) -> PathBuf {
        let stack = self.stack();
        let authority = STANDARD.encode(fs::read(stack.ca_file()).unwrap());
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{port}"), "certificate-authority-data": authority}}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        });
        let path = stack.settings().run_dir.join(format!("{name}.kubeconfig"));
        fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// A service account that may do everything.
    pub(super) fn administrator(&self, name: &str) -> String {
        let token = self.service_account(name);
        let account = format!("--serviceaccount=default:{name}");
        self.kubectl(
            &[
                "create",
                "clusterrolebinding",
                name,
                "--clusterrole=cluster-admin",
                &account,
            ],
            None,
        );
        token
    }

    pub(super) fn port(&self) -> u16 {
        self.stack().settings().ports.api_server
    }

    pub(super) fn whynot(&self) -> PathBuf {
        self.stack().settings().programs.whynot.clone()
    }

    /// Starts `whynot serve` against a kubeconfig.
    pub(super) fn explainer(&self, kubeconfig: &Path, arguments: &[&str]) -> Explainer {
        let all: Vec<&str> = ["--listen", "127.0.0.1:0"].iter().chain(arguments).copied().collect();
        Explainer::start(&self.stack(), kubeconfig, &all)
    }
}

/// A running `whynot serve`.
pub(super) struct Explainer {
    child: Child,
    pub(super) url: String,
    agent: ureq::Agent,
}

impl Drop for Explainer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) etag: String,
    pub(super) age: Duration,
    pub(super) body: String,
}

impl Explainer {
    pub(super) fn start(stack: &TestStack, kubeconfig: &Path, arguments: &[&str]) -> Self {
        let settings = stack.settings();
        let number = free_port().unwrap();
        let log = fs::File::create(settings.run_dir.join(format!("explainer-{number}.log"))).unwrap();
        let database = settings.run_dir.join(format!("explainer-{number}.db"));
        let mut child = Command::new(&settings.programs.whynot)
            .args(["serve", "--kubeconfig"])
            .arg(kubeconfig)
            .arg("--database")
            .arg(format!("sqlite://{}", database.display()))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("whynot listens on ")
            .unwrap_or_default()
            .to_owned();
        assert!(url.starts_with("http"), "{line:?}");
        Self {
            child,
            url,
            agent: client(&stack.ca_file()).unwrap(),
        }
    }

    pub(super) fn get(&self, path: &str, etag: Option<&str>) -> Answer {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(etag) = etag {
            request = request.header("if-none-match", etag);
        }
        // A question that waits takes longer than others may.
        let request = request.config().timeout_global(Some(Duration::from_secs(40))).build();
        let mut response = request.call().unwrap();
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (etag, age) = (header("etag"), header("whynot-context-age-ms"));
        Answer {
            status: response.status().as_u16(),
            etag,
            age: Duration::from_millis(age.parse().unwrap_or_default()),
            body: response
                .body_mut()
                .with_config()
                .limit(1 << 28)
                .read_to_string()
                .unwrap(),
        }
    }

    pub(super) fn json(&self, path: &str) -> Value {
        let answer = self.get(path, None);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Waits for a context that is as wanted, and says how long that took.
    pub(super) fn until(&self, what: &str, patience: Duration, is_wanted: impl Fn(&Value) -> bool) -> Duration {
        let begun = Instant::now();
        let mut last = String::new();
        while begun.elapsed() < patience {
            let answer = self.get("/v1/context", None);
            if answer.status == 200 && is_wanted(&serde_json::from_str(&answer.body).unwrap()) {
                return begun.elapsed();
            }
            last = answer.body;
            thread::sleep(Duration::from_millis(20));
        }
        let status = self.get("/v1/context/status", None).body;
        panic!(
            "not within {patience:?}: {what}\n{}\n{status}",
            last.chars().take(2000).collect::<String>()
        );
    }

    /// Waits for an age.
    pub(super) fn until_age(&self, patience: Duration, is_wanted: impl Fn(Duration) -> bool) -> Duration {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            let age = self.get("/v1/context", None).age;
            if is_wanted(age) {
                return age;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!(
            "the age is not as wanted: {}",
            self.get("/v1/context/status", None).body
        );
    }

    /// A figure of `/metrics`.
    pub(super) fn metric(&self, line: &str) -> f64 {
        let text = self.get("/metrics", None).body;
        let found = text
            .lines()
            .find_map(|known| known.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or_else(|| panic!("no {line} in {text}"))
    }

    /// What a kind's watch says of itself.
    pub(super) fn kind(&self, kind: &str) -> Value {
        let status = self.json("/v1/context/status");
        let kinds = status["kinds"].as_array().unwrap();
        kinds
            .iter()
            .find(|known| known["kind"] == kind)
            .cloned()
            .unwrap_or_default()
    }

    /// The process's memory, in KiB: now, and at most.
    pub(super) fn memory(&self) -> String {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let mut shown = String::new();
        for line in text
            .lines()
            .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"))
        {
            let words: Vec<&str> = line.split_whitespace().collect();
            write!(shown, "{} ", words.join(" ")).unwrap();
        }
        shown
    }
}

const OPEN: u8 = 0;
const CUT: u8 = 1;
const SILENT: u8 = 2;

/// A way to the API server that can be cut.
pub(super) struct Way {
    pub(super) port: u16,
    state: Arc<AtomicU8>,
}

impl Way {
    pub(super) fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(AtomicU8::new(OPEN));
        let of_listener = Arc::clone(&state);
        thread::spawn(move || {
            for incoming in listener.incoming().flatten() {
                if of_listener.load(Ordering::Relaxed) == CUT {
                    continue;
                }
                let Ok(outgoing) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else {
                    continue;
                };
                for (from, to) in [
                    (incoming.try_clone().unwrap(), outgoing.try_clone().unwrap()),
                    (outgoing, incoming),
                ] {
                    let state = Arc::clone(&of_listener);
                    thread::spawn(move || carry(from, to, &state));
                }
            }
        });
        Self { port, state }
    }

    /// Ends all connections, and takes no others.
    pub(super) fn cut(&self) {
        self.state.store(CUT, Ordering::Relaxed);
    }

    /// Carries nothing any more, without a word.
    pub(super) fn silence(&self) {
        self.state.store(SILENT, Ordering::Relaxed);
    }

    pub(super) fn open(&self) {
        self.state.store(OPEN, Ordering::Relaxed);
    }
}

/// Bytes one way. What came while nothing is carried is lost, and so is the connection afterwards.
fn carry(mut from: TcpStream, mut to: TcpStream, state: &AtomicU8) {
    use std::io::{Read as _, Write as _};
    from.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut buffer = [0; 16384];
    let mut is_lost = false;
    loop {
        match state.load(Ordering::Relaxed) {
            CUT => break,
            SILENT => is_lost = true,
            // Such a connection stays silent for ever: nobody tells its ends.
            _ if is_lost => {
                thread::sleep(Duration::from_millis(200));
                continue;
            }
            _ => {}
        }
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) if is_lost => {}
            Ok(count) => {
                if to.write_all(buffer.get(..count).unwrap()).is_err() {
                    break;
                }
            }
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) => {}
            Err(_) => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
