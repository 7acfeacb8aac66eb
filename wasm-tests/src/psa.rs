//! Asks Kubernetes' own code what Pod Security admission says of Pods (`wasm-tests/psa`, a Go program).

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::fixtures::repository;

/// Whether each level allows a Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// The baseline profile.
    pub baseline: bool,
    /// The restricted profile.
    pub restricted: bool,
}

#[derive(Deserialize)]
struct Answer {
    baseline: Option<Verdict>,
    restricted: Option<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    allowed: bool,
}

#[derive(Deserialize)]
struct Fixture {
    name: String,
    level: String,
    expected: String,
    pod: Value,
}

/// The Pods of Kubernetes' own tests, with names that say what is expected of them.
pub fn fixtures() -> Result<Vec<(String, Value)>> {
    let output = run(&["-fixtures"], Vec::new())?;
    lines::<Fixture>(&output)
        .map(|fixture| {
            let Fixture {
                name,
                level,
                expected,
                pod,
            } = fixture?;
            Ok((format!("Kubernetes: {level}/{expected}/{name}"), typed(pod)))
        })
        .collect()
}

/// A Pod that Go wrote may lack what every review has.
fn typed(mut pod: Value) -> Value {
    if let Some(members) = pod.as_object_mut() {
        members.insert("apiVersion".to_owned(), "v1".into());
        members.insert("kind".to_owned(), "Pod".into());
    }
    pod
}

/// What Kubernetes says of each Pod; `None` for one that its types cannot hold.
pub fn judge<'a>(pods: impl IntoIterator<Item = &'a Value>) -> Result<Vec<Option<Levels>>> {
    let mut input = Vec::new();
    for pod in pods {
        serde_json::to_writer(&mut input, pod)?;
        input.push(b'\n');
    }
    let output = run(&[], input)?;
    lines::<Answer>(&output)
        .map(|answer| {
            let Answer { baseline, restricted } = answer?;
            Ok(baseline.zip(restricted).map(|(baseline, restricted)| Levels {
                baseline: baseline.allowed,
                restricted: restricted.allowed,
            }))
        })
        .collect()
}

fn lines<T: for<'a> Deserialize<'a>>(output: &[u8]) -> impl Iterator<Item = Result<T>> {
    output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).with_context(|| String::from_utf8_lossy(line).into_owned()))
}

fn run(arguments: &[&str], input: Vec<u8>) -> Result<Vec<u8>> {
    let folder = repository("wasm-tests/psa");
    let cache = cache();
    let mut child = Command::new(go(&cache))
        .args(["run", "."])
        .args(arguments)
        .current_dir(&folder)
        .env("GOMODCACHE", cache.join("go/mod"))
        .env("GOCACHE", cache.join("go/build"))
        .env("GOFLAGS", "-modcacherw -mod=readonly")
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("there is no Go, which the comparison with Kubernetes' own code needs: run `just setup`")?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    // From another thread: the program answers while it reads.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!(
            "wasm-tests/psa: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    writer.join().ok().context("the writer panicked")??;
    Ok(output.stdout)
}

fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/whynot");
    std::env::var_os("WHYNOT_CACHE").map_or_else(home, PathBuf::from)
}

/// The machine's own, or the one that setup installed.
fn go(cache: &Path) -> OsString {
    let installed = cache.join("venv/bin/go");
    if installed.exists() {
        installed.into_os_string()
    } else {
        "go".into()
    }
}
