//! Policies from the explainer itself to Envoy's workers: pushed, refused, rolled back, and what is left after SIGKILL.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use engine::policy::bundle::Bundle;
use serde_json::{Value, json};
use wasm_tests::fixtures::{PRIVILEGED, pod, policies, repository, review_bytes};
use wasm_tests::stack::{Live, Part, Settings, free_port};

use crate::hot::{numbered, set, wait};
use crate::support::{Envoy, Explainer, Reply, settings};

/// An Envoy and an explainer to which policies are pushed. Nothing is embedded.
fn live(name: &str, serve_arguments: &[&str]) -> Settings {
    let mut settings = settings(name, &set(0), Explainer::Real);
    fs::remove_file(&settings.bundle).unwrap();
    settings
        .render_arguments
        .extend(["--live-pause-ms", "100"].map(str::to_owned));
    "/healthz".clone_into(&mut settings.envoy_probe);
    settings.live = Some(Live {
        policies: None,
        serve_arguments: serve_arguments.iter().map(|&argument| argument.to_owned()).collect(),
        ..Live::default()
    });
    settings
}

struct Policies<'a> {
    envoy: &'a Envoy,
    file: PathBuf,
}

impl<'a> Policies<'a> {
    fn of(envoy: &'a Envoy) -> Self {
        let file = envoy.stack.settings().run_dir.join("pushed.json");
        Self { envoy, file }
    }

    fn command(&self, arguments: &[&str]) -> Output {
        self.envoy.stack.whynot(["policy"]).args(arguments).output().unwrap()
    }

    /// Whether the explainer said that it has taken them.
    fn push(&self, bundle: &Bundle) -> bool {
        fs::write(&self.file, bundle.to_json()).unwrap();
        self.command(&["push", self.file.to_str().unwrap()]).status.success()
    }

    fn status(&self) -> Value {
        let output = self.command(&["status", "--output", "json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }

    /// What `policy status` prints, and its exit code.
    fn shown(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let output = self.command(&[&["status"], arguments].concat());
        (String::from_utf8(output.stdout).unwrap(), output.status.code())
    }

    fn current(&self) -> String {
        let revision = self.status().pointer("/current/revision").cloned().unwrap_or_default();
        revision.as_str().unwrap_or_default().to_owned()
    }

    fn serves(&self, revision: &str) {
        wait("it serves", || {
            let reply = self.envoy.review(&review_bytes(&pod(false)));
            reply.status == 200 && reply.revision() == revision
        });
    }
}

/// The number of the set that an answer is from; all of it.
fn number(reply: &Reply) -> usize {
    let message = reply.message();
    let mut said = message.split("number ").skip(1);
    let first = said.next().unwrap_or_else(|| panic!("{}", reply.text()));
    let first = first.split('.').next().unwrap();
    for rest in said {
        assert_eq!(rest.split('.').next(), Some(first), "of two sets: {message}");
    }
    let number = first.parse().unwrap();
    assert_eq!(reply.revision(), set(number).revision, "{message}");
    number
}

#[test]
fn every_worker_is_named_with_its_revision_and_a_rollback_reaches_all_of_them() {
    let mut settings = live("fleet", &[]);
    settings.concurrency = 2;
    let envoy = Envoy::with(settings, &set(0));
    let policies = Policies::of(&envoy);
    let (text, code) = policies.shown(&[]);
    assert!(text.contains("no policies") && code == Some(1), "{text}");
    assert!(policies.push(&set(1)));
    policies.serves(&set(1).revision);
    // Until each of the two workers has had a request, it is nobody's worker.
    let workers = || {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| envoy.review(&numbered()));
            }
        });
        let status = policies.status();
        status["proxies"][0]["workers"].as_array().cloned().unwrap_or_default()
    };
    wait("both workers are known", || workers().len() == 2);
    let rolled_back = |arguments: &[&str], expected: &Bundle| {
        let output = policies.command(arguments);
        assert!(output.status.success(), "{output:?}");
        let (text, code) = policies.shown(&["--wait", &expected.revision, "--timeout", "20"]);
        assert_eq!(code, Some(0), "{text}");
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.trim_start().starts_with("worker "))
            .collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines.iter().all(|line| line.contains(&expected.revision)), "{text}");
        assert!(text.contains("current: 2 workers of 1 proxy"), "{text}");
        for _ in 0..8 {
            assert_eq!(envoy.review(&numbered()).revision(), expected.revision);
        }
    };
    fs::write(&policies.file, set(2).to_json()).unwrap();
    rolled_back(&["push", policies.file.to_str().unwrap()], &set(2));
    rolled_back(&["rollback"], &set(1));
    let (text, _) = policies.shown(&[]);
    assert!(text.contains(&format!("{} (rolled back)", set(2).revision)), "{text}");
    rolled_back(&["push", policies.file.to_str().unwrap()], &set(2));
}

/// As `opa build` packs.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut archive = tar::Builder::new(packed);
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

#[test]
fn bad_policies_are_refused_with_the_reason_and_the_old_ones_serve_on() {
    let envoy = Envoy::with(live("bad", &[]), &set(0));
    let policies = Policies::of(&envoy);
    assert!(policies.push(&set(1)));
    policies.serves(&set(1).revision);
    let failing = "package tests.a_test\n\nimport data.tests.a\n\ntest_it if count(a.deny) == 5\n";
    let policy = "package tests.a\n\ndeny contains \"no\" if input.request.name == \"no\"\n";
    let good = archive(&[("a.rego", policy)]);
    let whole = set(2).to_json();
    let bad = [
        (
            "does not compile",
            archive(&[("a.rego", "package tests.a\n\ndeny contains x if y")]),
            "a.rego:3",
        ),
        (
            "tests fail",
            archive(&[("a.rego", policy), ("a_test.rego", failing)]),
            "test_it failed",
        ),
        ("truncated", good[..good.len() / 2].to_vec(), "unreadable"),
        ("truncated, as JSON", whole[..whole.len() / 2].to_vec(), "EOF"),
    ];
    for (what, bytes, reason) in bad {
        // What `whynot policy push` would refuse before it sends anything.
        assert_eq!(sent(&envoy, &bytes).0, 422, "{what}");
        let (text, code) = policies.shown(&["--wait", &set(1).revision]);
        assert!(text.contains("refused") && text.contains(reason), "{what}: {text}");
        assert!(text.starts_with(&set(1).revision), "{what}: {text}");
        assert_eq!(code, Some(0), "{what}: what serves is current: {text}");
        assert_eq!(number(&envoy.review(&numbered())), 1, "{what}");
    }
    fs::write(&policies.file, policies_that_do_not_compile()).unwrap();
    let pushed = policies.command(&["push", policies.file.to_str().unwrap()]);
    assert!(!pushed.status.success(), "{pushed:?}");
    assert!(policies.push(&set(2)));
    policies.serves(&set(2).revision);
}

fn policies_that_do_not_compile() -> Vec<u8> {
    policies(&[PRIVILEGED, "package tests.unfinished\n\ndeny := {"]).to_json()
}

/// Sends bytes as `whynot policy push` does, with the administrator's token.
fn sent(envoy: &Envoy, bytes: &[u8]) -> (u16, String) {
    let token = fs::read_to_string(envoy.stack.settings().token_file()).unwrap();
    let request = ureq::post(format!("{}/v1/policies", envoy.stack.explainer_url()));
    let request = request.config().http_status_as_error(false).build();
    let request = request.header("authorization", format!("Bearer {}", token.trim()));
    let mut response = request.header("content-type", "application/gzip").send(bytes).unwrap();
    (
        response.status().as_u16(),
        response.body_mut().read_to_string().unwrap(),
    )
}

#[test]
fn policies_that_somebody_else_signed_are_refused_and_what_is_embedded_serves_on() {
    let fixtures = repository("explainer-svc/tests/fixtures/opa-bundles");
    let key = fixtures.join("keys/rsa.pem");
    let mut settings = live("signed", &["--verification-key", key.to_str().unwrap()]);
    fs::write(&settings.bundle, set(0).to_json()).unwrap();
    settings.envoy_probe = "/readyz".to_owned();
    let envoy = Envoy::with(settings, &set(0));
    let policies = Policies::of(&envoy);
    for (what, bytes) in [
        (
            "not signed",
            archive(&[(
                "a.rego",
                "package tests.a\n\ndeny contains \"no\" if input.request.name == \"no\"\n",
            )]),
        ),
        (
            "signed with another key",
            fs::read(fixtures.join("good/es256.tar.gz")).unwrap(),
        ),
    ] {
        let (status, answer) = sent(&envoy, &bytes);
        assert_eq!(status, 422, "{what}: {answer}");
        let (text, _) = policies.shown(&[]);
        assert!(text.contains("refused") && text.contains("sign"), "{what}: {text}");
        assert_eq!(number(&envoy.review(&numbered())), 0, "{what}");
    }
    let (status, answer) = sent(&envoy, &fs::read(fixtures.join("good/rs256.tar.gz")).unwrap());
    assert_eq!(status, 200, "{answer}");
    let revision = policies.current();
    policies.serves(&revision);
}

#[test]
fn with_no_policies_at_all_envoy_is_not_ready_and_says_why() {
    let mut settings = live("none", &[]);
    settings.parts.remove(&Part::Explainer);
    let mut envoy = Envoy::with(settings, &set(0));
    let says = |envoy: &Envoy, text: &str| {
        wait(text, || {
            let Ok(reply) = envoy.get("/readyz") else { return false };
            assert_eq!(reply.status, 503, "{}", reply.text());
            reply.text().contains(text)
        });
        assert_eq!(envoy.review(&review_bytes(&pod(false))).status, 503);
    };
    says(&envoy, "no policies: the explainer");
    envoy.stack.start(Part::Explainer).unwrap();
    says(&envoy, "This explainer has no policies");
    assert!(Policies::of(&envoy).push(&set(1)));
    wait("it is ready", || {
        envoy.get("/readyz").is_ok_and(|reply| reply.status == 200)
    });
    assert_eq!(number(&envoy.review(&numbered())), 1);
}

/// Asks all the time. Whatever answers does so with one whole set, and never with an older one than before.
fn ask(envoy: &Envoy, is_over: &AtomicBool, newest: &AtomicUsize) -> usize {
    let mut answers = 0;
    let mut last = 0;
    while !is_over.load(Ordering::Relaxed) {
        // Nobody is there while it is dead.
        match envoy.send("?timeout=10s", &numbered()) {
            Ok(reply) if reply.status == 200 => {
                let now = number(&reply);
                assert!(now >= last, "{now} after {last}");
                last = now;
                newest.fetch_max(now, Ordering::Relaxed);
                answers += 1;
            }
            Ok(reply) => assert!(reply.status >= 500, "{}", reply.text()),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    answers
}

/// `WHYNOT_KILL_ROUNDS` and `WHYNOT_KILL_SEED` ask for more moments, and for the same ones again.
#[test]
fn killed_at_any_moment_of_a_swap_a_whole_revision_serves_after() {
    let number_of = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = number_of("WHYNOT_KILL_ROUNDS").unwrap_or(12);
    let seed = number_of("WHYNOT_KILL_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("WHYNOT_KILL_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut settings = live("killed-both", &[]);
    settings.concurrency = 2;
    let mut envoy = Envoy::with(settings, &set(0));
    // How long a swap takes here and now.
    let begun = Instant::now();
    assert!(Policies::of(&envoy).push(&set(1)));
    Policies::of(&envoy).serves(&set(1).revision);
    let swap = begun.elapsed();
    let mut current = 1;
    let newest = AtomicUsize::new(1);
    for round in 0..rounds {
        let next = current + 1;
        let victims: &[Part] = match round % 3 {
            0 => &[Part::Explainer],
            1 => &[Part::Envoy],
            _ => &[Part::Explainer, Part::Envoy],
        };
        let moment = swap.mul_f64(random.f64() * 1.3);
        let is_over = AtomicBool::new(false);
        let (is_taken, answers) = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..2).map(|_| scope.spawn(|| ask(&envoy, &is_over, &newest))).collect();
            let push = scope.spawn(|| Policies::of(&envoy).push(&set(next)));
            std::thread::sleep(moment);
            for victim in victims {
                envoy.stack.process(*victim).unwrap().kill().unwrap();
            }
            let is_taken = push.join().unwrap();
            std::thread::sleep(Duration::from_millis(50));
            is_over.store(true, Ordering::Relaxed);
            let answers: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
            (is_taken, answers)
        });
        let served = newest.load(Ordering::Relaxed);
        // Envoy first: it has to start while the explainer is away, with the last good policies.
        if victims.contains(&Part::Envoy) {
            envoy.stack.start(Part::Envoy).unwrap();
            let reply = envoy.get("/readyz").unwrap();
            assert_eq!(reply.status, 200, "round {round}: {}", reply.text());
            let now = number(&envoy.review(&numbered()));
            assert!((served..=next).contains(&now), "round {round}: {now} after {served}");
        }
        envoy.stack.start(Part::Explainer).unwrap();
        let policies = Policies::of(&envoy);
        let revision = policies.current();
        let after = (current..=next).find(|number| set(*number).revision == revision);
        let after = after.unwrap_or_else(|| panic!("round {round}: {revision} is neither"));
        assert!(after >= served, "round {round}: what has served is not lost");
        assert!(!is_taken || after == next, "round {round}: it was taken, and is lost");
        policies.serves(&revision);
        assert_eq!(number(&envoy.review(&numbered())), after);
        let names: Vec<&str> = victims.iter().map(|part| part.name()).collect();
        println!(
            "{round}: {} after {moment:?}: {current} -> {after}, {answers} answers before",
            names.join(" and ")
        );
        current = after;
    }
    let report = json!({"rounds": rounds, "swap": format!("{swap:?}"), "revisions": current});
    println!("{report}");
}

/// A registry that ends with the test.
struct Registry {
    program: PathBuf,
    process: Child,
    port: u16,
}

impl Registry {
    fn start() -> Self {
        let built = Command::new(repository("scripts/registry-build.sh")).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let program = PathBuf::from(String::from_utf8(built.stdout).unwrap().trim());
        let port = free_port().unwrap();
        let process = Command::new(&program)
            .args(["serve", &port.to_string()])
            .spawn()
            .unwrap();
        wait("the registry listens", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        });
        Self { program, process, port }
    }

    fn reference(&self) -> String {
        format!("127.0.0.1:{}/platform/policies:live", self.port)
    }

    fn push(&self, bundle: &Bundle) {
        let json = String::from_utf8(bundle.to_json()).unwrap();
        let file = std::env::temp_dir().join(format!("whynot-registry-{}.tar.gz", self.port));
        fs::write(&file, archive(&[("bundle.json", &json)])).unwrap();
        let mut command = Command::new(&self.program);
        let pushed = command.args(["push", &self.reference()]).arg(&file).output().unwrap();
        fs::remove_file(&file).unwrap();
        assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn what_is_pushed_to_a_registry_serves() {
    let registry = Registry::start();
    let source = format!("oci://{}", registry.reference());
    let arguments = ["--policies", &source, "--skip-verify", "--policies-interval", "1"];
    let envoy = Envoy::with(live("registry", &arguments), &set(0));
    let policies = Policies::of(&envoy);
    for number in [1, 2] {
        registry.push(&set(number));
        wait("it is taken", || policies.current() == set(number).revision);
        policies.serves(&set(number).revision);
        let (text, code) = policies.shown(&["--wait", &set(number).revision]);
        assert!(text.contains(&source) && code == Some(0), "{text}");
    }
}
