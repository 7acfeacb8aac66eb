//! The other commands as processes: exit codes, texts, files.

use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::Value;
use tempfile::TempDir;

const POLICY: &str = r#"# METADATA
# title: Pods must not use the host's network
# custom:
#   match:
#     kinds: [{apiGroups: [""], kinds: [Pod]}]
package demo.host_network

deny contains "uses the host's network" if input.request.object.spec.hostNetwork == true
"#;

const TEMPLATE: &str = r#"
static_resources:
  listeners:
    - address: {socket_address: {address: "${ADDRESS:127.0.0.1}", port_value: "${PORT}"}}
      filter_chains:
        - filters:
            - name: hcm
              typed_config:
                route: {regex: "^/wrap/.*$"}
                http_filters:
                  - name: wasm
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
                      config: {name: whynot}
  clusters:
    - name: explainer
    - name: delivery
"#;

pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn whynot(folder: &Path, arguments: &[&str]) -> Run {
    // Nothing of this environment: some of it would be arguments.
    let mut command = Command::new(env!("CARGO_BIN_EXE_whynot"));
    let output = command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn write(folder: &TempDir, path: &str, text: &str) {
    let path = folder.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A folder with one good policy, its bundle and a template.
pub(crate) fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    write(&folder, "policies/demo/host-network/policy.rego", POLICY);
    write(
        &folder,
        "policies/demo/host-network/policy_test.rego",
        "this is not Rego, and not read",
    );
    write(&folder, "envoy.yaml", TEMPLATE);
    let built = whynot(folder.path(), &["policy", "build", "policies", "-o", "bundle.json"]);
    assert_eq!(built.code, Some(0), "{}", built.err);
    folder
}

pub(crate) fn json(folder: &TempDir, path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.path().join(path)).unwrap()).unwrap()
}

pub(crate) const RENDER: [&str; 8] = [
    "envoy",
    "render",
    "--template",
    "envoy.yaml",
    "--bundle",
    "bundle.json",
    "-o",
    "envoy.json",
];

pub(crate) fn render(folder: &TempDir, more: &[&str]) -> Run {
    whynot(folder.path(), &[&RENDER[..], more].concat())
}

/// The filter's configuration in what was rendered.
pub(crate) fn configuration(folder: &TempDir) -> Value {
    let envoy = json(folder, "envoy.json");
    let filter = envoy
        .pointer(
            "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config",
        )
        .unwrap();
    assert_eq!(
        filter["configuration"]["@type"],
        "type.googleapis.com/google.protobuf.StringValue"
    );
    serde_json::from_str(filter["configuration"]["value"].as_str().unwrap()).unwrap()
}

#[test]
fn help_texts() {
    let folder = TempDir::new().unwrap();
    for (name, arguments) in [
        ("help", &["--help"][..]),
        ("help_check", &["check", "--help"]),
        ("help_man", &["man", "--help"]),
        ("help_serve", &["serve", "--help"]),
        ("help_context_rbac", &["context", "rbac", "--help"]),
        ("help_policy_build", &["policy", "build", "--help"]),
        ("help_policy_inspect", &["policy", "inspect", "--help"]),
        ("help_policy_test", &["policy", "test", "--help"]),
        ("help_policy_lint", &["policy", "lint", "--help"]),
        ("help_policy_push", &["policy", "push", "--help"]),
        ("help_policy_status", &["policy", "status", "--help"]),
        ("help_policy_rollback", &["policy", "rollback", "--help"]),
        ("help_gateway_evaluate", &["gateway", "evaluate", "--help"]),
        ("help_envoy_render", &["envoy", "render", "--help"]),
        ("help_gateway_kill", &["gateway", "kill", "--help"]),
        ("help_gateway_status", &["gateway", "status", "--help"]),
        ("help_governance_report", &["governance", "report", "--help"]),
    ] {
        let run = whynot(folder.path(), arguments);
        assert_eq!(run.code, Some(0));
        assert_snapshot!(name, run.out);
    }
    assert_eq!(
        whynot(folder.path(), &["--version"]).out,
        concat!("whynot ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert!(whynot(folder.path(), &["completions", "bash"]).out.contains("whynot"));
}

#[test]
fn every_command_has_a_man_page() {
    let folder = TempDir::new().unwrap();
    let page = whynot(folder.path(), &["man"]);
    assert_eq!(page.code, Some(0), "{}", page.err);
    assert!(page.out.contains(".TH whynot 1"), "{}", page.out);
    assert_eq!(whynot(folder.path(), &["man", "--output", "man/man1"]).code, Some(0));
    for name in ["whynot.1", "whynot-check.1", "whynot-policy-build.1", "whynot-serve.1"] {
        assert!(folder.path().join("man/man1").join(name).exists(), "{name}");
    }
    for shell in ["bash", "fish", "zsh"] {
        assert!(
            whynot(folder.path(), &["completions", shell])
                .out
                .contains("namespace-file"),
            "{shell}"
        );
    }
}

#[test]
fn a_bundle_is_built_and_names_its_revision() {
    let folder = folder();
    let run = whynot(
        folder.path(),
        &["policy", "build", "policies", "-o", "bundle.json", "--output", "json"],
    );
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let bundle = json(&folder, "bundle.json");
    assert_eq!(bundle["revision"], report["revision"]);
    assert_eq!(bundle["files"][0]["path"], "demo/host-network/policy.rego");
    assert_eq!(bundle["files"].as_array().unwrap().len(), 1, "tests are no policies");
    let text = whynot(folder.path(), &["policy", "build", "policies", "-o", "bundle.json"]).out;
    assert_eq!(
        text,
        format!(
            "1 policy, revision {}, written to bundle.json\n",
            report["revision"].as_str().unwrap()
        )
    );

    write(
        &folder,
        "policies/policy-set.yaml",
        "policies: {demo/host-network: {enabled: false}}\n",
    );
    let text = whynot(folder.path(), &["policy", "build", "policies", "-o", "bundle.json"]).out;
    assert!(text.starts_with("0 policies (1 turned off), revision "), "{text}");
    assert_ne!(
        json(&folder, "bundle.json")["revision"],
        report["revision"],
        "settings are part of the revision"
    );
    let piped = whynot(folder.path(), &["policy", "build", "policies", "-o", "-"]);
    assert_eq!(
        serde_json::from_str::<Value>(&piped.out).unwrap(),
        json(&folder, "bundle.json")
    );
    assert!(piped.err.contains("written to standard output"));
}

#[test]
fn all_problems_are_told_at_once_and_nothing_is_written() {
    let folder = TempDir::new().unwrap();
    write(&folder, "policies/a.rego", "package a\n\ndeny contains");
    write(&folder, "policies/b.rego", "package b\n\nallow := true\n");
    write(&folder, "policies/policy-set.yaml", "policies: {}\n");
    let run = whynot(folder.path(), &["policy", "build", "policies", "-o", "bundle.json"]);
    assert_eq!((run.code, run.out.as_str()), (Some(1), ""));
    assert!(
        run.err.contains("policies/a.rego:3") && run.err.contains("policies/b.rego"),
        "{}",
        run.err
    );
    assert!(
        run.err.ends_with("error: 2 problems; nothing was written\n"),
        "{}",
        run.err
    );
    assert!(!folder.path().join("bundle.json").exists());
    let run = whynot(
        folder.path(),
        &["policy", "build", "policies", "-o", "bundle.json", "--output", "json"],
    );
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((run.code, &report["ok"]), (Some(1), &Value::Bool(false)));
    assert_eq!(report["problems"][0]["file"], "a.rego");
}

#[test]
fn mistakes_in_the_settings_and_empty_folders_are_problems() {
    let folder = TempDir::new().unwrap();
    write(&folder, "policies/a.rego", POLICY);
    write(
        &folder,
        "policies/policy-set.yaml",
        "policies:\n  demo/host-network: {actoin: warn}\n",
    );
    let run = whynot(folder.path(), &["policy", "build", "policies", "-o", "bundle.json"]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.err.contains("policies/policy-set.yaml") && run.err.contains("actoin"),
        "{}",
        run.err
    );
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let run = whynot(folder.path(), &["policy", "build", "empty", "-o", "bundle.json"]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.starts_with("empty: no policy found"), "{}", run.err);
    let run = whynot(folder.path(), &["policy", "build", "missing", "-o", "bundle.json"]);
    assert_eq!(run.code, Some(2));
}

#[test]
fn policies_that_are_fetched_need_not_be_there_yet() {
    let folder = folder();
    let without: Vec<&str> = RENDER
        .into_iter()
        .filter(|word| !word.starts_with("--bundle") && *word != "bundle.json")
        .collect();
    let with = |more: &[&str]| whynot(folder.path(), &[&without[..], &["--set", "PORT=8443"], more].concat());
    let run = with(&["--live-policies", "--live-context", "--max-context-age-seconds", "60"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let rendered = configuration(&folder);
    assert_eq!(
        (&rendered["bundle"], &rendered["context"]),
        (&Value::Null, &Value::Null)
    );
    let live = &rendered["live"];
    assert_eq!(
        (&live["policies"], &live["maxContextAgeSeconds"]),
        (&Value::Bool(true), &Value::from(60))
    );
    // A file that nobody has written yet is no mistake then, and one that is broken is.
    let absent = ["--live-policies", "--bundle", "absent.json"];
    assert_eq!(with(&absent).code, Some(0));
    // Nor is the state folder of an explainer that has taken nothing so far.
    std::fs::create_dir(folder.path().join("state")).unwrap();
    assert_eq!(with(&["--live-policies", "--bundle", "state"]).code, Some(0));
    assert_eq!(configuration(&folder)["bundle"], Value::Null);
    let run = with(&["--bundle", "state"]);
    assert!(
        run.code != Some(0) && run.err.contains("no policies are kept"),
        "{}",
        run.err
    );
    write(&folder, "broken.json", "{}");
    assert_ne!(with(&["--live-policies", "--bundle", "broken.json"]).code, Some(0));
    assert_ne!(with(&absent[1..]).code, Some(0));
    assert_ne!(with(&[]).code, Some(0));
    assert_ne!(with(&["--live-policies", "--no-explainer"]).code, Some(0));
}

#[test]
fn arguments_that_are_wrong_name_the_flag_and_the_remedy() {
    let folder = TempDir::new().unwrap();
    let mut errors = String::new();
    for arguments in [
        &["serve", "--listen", "8080"][..],
        &["serve", "--public-url", "ftp://example.test"],
        &["serve", "--public-url", "https://example.test/?a"],
        &["serve", "--database", "postgres://example.test"],
        &["serve", "--database", "sqlite::memory:"],
        &["serve", "--team-label", "a=b"],
        &["serve", "--window-days", "0"],
        &["serve", "--retention-days", "3"],
        &["serve", "--max-concurrency", "0"],
        &["serve", "--log-level", "loud"],
        &[
            "envoy",
            "render",
            "--template",
            "a",
            "--bundle",
            "b",
            "-o",
            "c",
            "--set",
            "X",
        ],
    ] {
        let run = whynot(folder.path(), arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}");
        errors.push_str(run.err.lines().next().unwrap_or_default());
        errors.push('\n');
    }
    assert_snapshot!(errors);
}
