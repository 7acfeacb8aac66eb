//! A real API server is asked about every object of the engine's table. It must refuse what the engine has problems with, and
//! take what it has none with; the table says where and why they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use engine::explain::wire::GroupVersionKind;
use engine::schema::problems;
use serde::Deserialize;
use serde_json::Value;
use wasm_tests::fixtures::repository;
use wasm_tests::stack::{Part, Settings, TestStack, free_port};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    bases: BTreeMap<String, Value>,
    objects: Vec<Changed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changed {
    of: String,
    #[serde(default)]
    set: BTreeMap<String, Value>,
    #[serde(default)]
    remove: Vec<String>,
    // Checked by the engine's own tests.
    #[serde(default, rename = "problems")]
    _problems: Vec<String>,
    server: Option<String>,
}

impl Changed {
    fn object(&self, base: &Value) -> Value {
        let mut object = base.clone();
        for (pointer, value) in &self.set {
            let (parent, last) = parent(&mut object, pointer);
            match parent {
                Value::Object(members) => drop(members.insert(last, value.clone())),
                Value::Array(items) if last == "-" => items.push(value.clone()),
                Value::Array(items) => *items.get_mut(last.parse::<usize>().unwrap()).unwrap() = value.clone(),
                other => panic!("{pointer}: {other}"),
            }
        }
        for pointer in &self.remove {
            let (parent, last) = parent(&mut object, pointer);
            match parent {
                Value::Object(members) => assert!(members.remove(&last).is_some(), "{pointer}"),
                Value::Array(items) => drop(items.remove(last.parse().unwrap())),
                other => panic!("{pointer}: {other}"),
            }
        }
        object
    }
}

fn parent<'a>(object: &'a mut Value, pointer: &str) -> (&'a mut Value, String) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    (
        object.pointer_mut(parent).unwrap(),
        last.replace("~1", "/").replace("~0", "~"),
    )
}

/// `kubectl proxy`: the API server without certificates.
struct Proxy {
    process: Child,
    url: String,
}

impl Proxy {
    fn start(stack: &TestStack) -> Self {
        let port = free_port().unwrap();
        let mut command = stack.kubectl(["proxy".to_owned(), format!("--port={port}")]);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let proxy = Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
        };
        let started = Instant::now();
        while ureq::get(format!("{}/readyz", proxy.url)).call().is_err() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "kubectl proxy does not answer"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        proxy
    }

    /// What the API server says against an object, if anything.
    fn refusal(&self, kind: &GroupVersionKind, object: &Value) -> Option<String> {
        let url = format!("{}/{}?dryRun=All&fieldValidation=Strict", self.url, collection(kind));
        let mut response = ureq::post(&url)
            .config()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .content_type("application/json")
            .send(object.to_string())
            .unwrap_or_else(|error| panic!("{url}: {error}"));
        let text = response.body_mut().read_to_string().unwrap();
        match response.status().as_u16() {
            201 => None,
            // 403 would be admission's, 404 ours.
            400 | 422 => Some(text),
            status => panic!("{url}: {status}: {text}"),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn collection(kind: &GroupVersionKind) -> String {
    let root = match &*kind.group {
        "" => format!("api/{}", kind.version),
        group => format!("apis/{group}/{}", kind.version),
    };
    let plural = match &*kind.kind.to_ascii_lowercase() {
        ingress @ "ingress" => format!("{ingress}es"),
        policy @ "networkpolicy" => policy.replace("policy", "policies"),
        other => format!("{other}s"),
    };
    if kind.kind.starts_with("Cluster") {
        format!("{root}/{plural}")
    } else {
        format!("{root}/namespaces/default/{plural}")
    }
}

fn kind_of(object: &Value) -> GroupVersionKind {
    let member = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let version = member("apiVersion");
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    GroupVersionKind {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: member("kind").to_owned(),
    }
}

#[test]
fn the_api_server_agrees_with_the_schema() {
    let text = fs::read_to_string(repository("engine/src/schema/tests/objects.yaml")).unwrap();
    let table: Table = serde_saphyr::from_str(&text).unwrap();
    let mut settings = Settings::for_test("schema").unwrap();
    // No webhook: only the API server's own validation.
    settings.parts = BTreeSet::from([Part::Etcd, Part::ApiServer]);
    let stack = TestStack::start(settings).unwrap_or_else(|error| panic!("{error:#}"));
    let proxy = Proxy::start(&stack);
    let mut wrong = Vec::new();
    for changed in &table.objects {
        let object = changed.object(table.bases.get(&changed.of).unwrap());
        let kind = kind_of(&object);
        let found = problems(&kind, &object);
        let refusal = proxy.refusal(&kind, &object);
        if (refusal.is_some() == found.is_empty()) != changed.server.is_some() {
            let set = Value::from_iter(changed.set.clone());
            wrong.push(format!(
                "{} {set} -{:?}\n  problems: {found:?}\n  refused: {refusal:?}",
                changed.of, changed.remove
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
