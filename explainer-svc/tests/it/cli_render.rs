//! `whynot envoy render`: Envoy's configuration from a template.

use std::process::Command;

use serde_json::Value;

use crate::cli::{RENDER, configuration, folder, json, render, whynot, write};

#[test]
fn envoys_configuration_is_rendered() {
    let folder = folder();
    write(
        &folder,
        "context.yaml",
        "namespaces: {shop: {labels: {team: checkout}}}\ncluster: {name: dev}\n",
    );
    let run = render(
        &folder,
        &[
            "--set",
            "PORT=8443",
            "--context",
            "context.yaml",
            "--explainer-timeout-ms",
            "500",
        ],
    );
    assert_eq!(run.code, Some(0), "{}", run.err);
    let envoy = json(&folder, "envoy.json");
    let socket = &envoy["static_resources"]["listeners"][0]["address"]["socket_address"];
    assert_eq!(
        socket,
        &serde_json::json!({"address": "127.0.0.1", "port_value": "8443"})
    );
    let mut configuration = configuration(&folder);
    assert_eq!(configuration["bundle"].take(), json(&folder, "bundle.json"));
    insta::assert_json_snapshot!(configuration);

    assert_eq!(render(&folder, &["--set", "PORT=1", "--no-explainer"]).code, Some(0));
    assert_eq!(self::configuration(&folder)["explainer"], Value::Null);
}

#[test]
fn the_filter_gets_a_token_for_the_explainer() {
    let folder = folder();
    write(&folder, "token", "0123456789abcdef\n");
    let arguments = ["--set", "PORT=1", "--explainer-token-file", "token"];
    assert_eq!(render(&folder, &arguments).code, Some(0));
    assert_eq!(configuration(&folder)["explainer"]["token"], "0123456789abcdef");
    for wrong in ["", "two words", "line\nline"] {
        write(&folder, "token", wrong);
        let run = render(&folder, &arguments);
        assert_eq!(run.code, Some(1), "{}", run.err);
        assert!(
            run.err.contains("openssl rand") && !run.err.contains("words"),
            "{}",
            run.err
        );
    }
}

#[test]
fn listeners_are_rendered_into_a_file_that_envoy_watches() {
    let folder = folder();
    let file = folder.path().join("listeners/listeners.json");
    std::fs::create_dir(folder.path().join("listeners")).unwrap();
    let path = file.to_str().unwrap();
    let run = render(&folder, &["--set", "PORT=8443", "--listeners", path]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let envoy = json(&folder, "envoy.json");
    assert_eq!(envoy["static_resources"]["listeners"], Value::Null);
    assert_eq!(
        envoy["dynamic_resources"]["lds_config"]["path_config_source"],
        serde_json::json!({"path": path, "watched_directory": {"path": file.parent()}})
    );
    let listeners = json(&folder, "listeners/listeners.json");
    assert_eq!(listeners["version_info"], json(&folder, "bundle.json")["revision"]);
    let listener = &listeners["resources"][0];
    assert_eq!(
        listener["@type"],
        "type.googleapis.com/envoy.config.listener.v3.Listener"
    );
    assert_eq!(listener["address"]["socket_address"]["port_value"], "8443");
    assert!(listener.to_string().contains("\\\"bundle\\\""), "{listener}");

    let relative = render(&folder, &["--set", "PORT=8443", "--listeners", "listeners.json"]);
    assert_eq!(relative.code, Some(2));
    assert!(relative.err.contains("expected an absolute path"), "{}", relative.err);
}

#[test]
fn variables_come_from_arguments_then_from_the_environment() {
    let folder = folder();
    let port = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_whynot"));
        command
            .args(RENDER)
            .args(arguments)
            .current_dir(folder.path())
            .env_clear()
            .env("PORT", "1111");
        assert!(command.status().unwrap().success());
        json(&folder, "envoy.json")["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"]
            .clone()
    };
    assert_eq!(port(&[]), "1111");
    assert_eq!(port(&["--set", "PORT=2222"]), "2222");
}

#[test]
fn what_cannot_be_rendered_says_why() {
    let folder = folder();
    let bare = "static_resources: {clusters: [{name: explainer}]}\n";
    write(&folder, "bare.yaml", bare);
    write(
        &folder,
        "tampered.json",
        &std::fs::read_to_string(folder.path().join("bundle.json"))
            .unwrap()
            .replace("uses", "used"),
    );
    write(&folder, "context.yaml", "namespaces: {shop: {lables: {}}}\n");
    let set = ["--set", "PORT=1"];
    for (run, expected) in [
        (render(&folder, &[]), "PORT"),
        (
            render(&folder, &[&set[..], &["--context", "context.yaml"]].concat()),
            "lables",
        ),
        (
            render(&folder, &[&set[..], &["--explainer-cluster", "other"]].concat()),
            "no cluster \"other\"",
        ),
        (
            render(
                &folder,
                &[&set[..], &["--live-policies", "--live-cluster", "another"]].concat(),
            ),
            "no cluster \"another\" among static_resources.clusters; add it, or name another with --live-cluster",
        ),
        (
            whynot(
                folder.path(),
                &[
                    "envoy",
                    "render",
                    "--template",
                    "bare.yaml",
                    "--bundle",
                    "bundle.json",
                    "-o",
                    "x.json",
                ],
            ),
            "no Wasm HTTP filter",
        ),
        (
            whynot(
                folder.path(),
                &[
                    "envoy",
                    "render",
                    "--template",
                    "envoy.yaml",
                    "--bundle",
                    "tampered.json",
                    "--set",
                    "PORT=1",
                    "-o",
                    "x.json",
                ],
            ),
            "changed after it was built",
        ),
        (
            whynot(
                folder.path(),
                &[
                    "envoy",
                    "render",
                    "--template",
                    "none.yaml",
                    "--bundle",
                    "bundle.json",
                    "-o",
                    "x.json",
                ],
            ),
            "cannot read none.yaml",
        ),
    ] {
        assert_eq!(run.code, Some(1), "{}", run.err);
        assert!(run.err.contains(expected), "{expected} in {}", run.err);
    }
    assert!(!folder.path().join("x.json").exists());
}
