//! Envoy with the filter, and the explainer behind it.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::process::Command;

use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::certs::secret;
use super::kubernetes::{self, run};
use super::settings::Settings;
use super::{models, witness};

pub(super) fn explainer(settings: &Settings) -> Command {
    let mut command = Command::new(&settings.programs.whynot);
    command
        .arg("serve")
        .arg("--listen")
        .arg(format!("127.0.0.1:{}", settings.ports.explainer))
        .arg("--database")
        .arg(format!("sqlite://{}", settings.run_dir.join("whynot.db").display()))
        .arg("--public-url")
        .arg(format!("http://127.0.0.1:{}", settings.ports.explainer));
    if let Some(live) = &settings.live {
        command
            .arg("--state-dir")
            .arg(settings.state_dir())
            .arg("--admin-token-file")
            .arg(settings.token_file())
            .arg("--context")
            .arg(&settings.context);
        if live.policies.is_some() {
            command.arg("--policies").arg(settings.policies_link());
        }
        if settings.follows_cluster() {
            command
                .arg("--kubeconfig")
                .arg(kubernetes::explainer_kubeconfig(settings));
        }
        if live.models.is_some() {
            models::serve_arguments(settings, &mut command);
        }
        witness::serve_arguments(settings, &mut command);
        command.args(&live.serve_arguments);
    }
    command
}

/// What a live stack has before its explainer starts: the folder of policies, and who may push.
pub(super) fn prepare(settings: &Settings) -> Result<()> {
    let Some(live) = &settings.live else { return Ok(()) };
    secret(&settings.token_file(), &random_token()?)?;
    if let Some(models) = &live.models {
        models::prepare(settings, models).context("writing the gateway's file")?;
    }
    if live.witness {
        witness::prepare(settings).context("making the witness's key")?;
    }
    match &live.policies {
        Some(folder) => symlink(folder, settings.policies_link()).context("linking the policies"),
        None => Ok(()),
    }
}

/// A token that nobody guesses.
pub(super) fn random_token() -> Result<String> {
    let mut token = [0; 24];
    File::open("/dev/urandom")?.read_exact(&mut token)?;
    Ok(STANDARD.encode(token))
}

/// Writes Envoy's configuration, policies included, to the run folder.
pub(super) fn render(settings: &Settings) -> Result<()> {
    let ports = &settings.ports;
    let mut command = Command::new(&settings.programs.whynot);
    if settings.listeners_in_file {
        let file = settings.listeners_file();
        fs::create_dir_all(file.parent().unwrap_or(&file))?;
        command.args(["envoy", "render", "--listeners"]).arg(file);
    } else {
        command.args(["envoy", "render"]);
    }
    // What the explainer took last, for the time in which it is away.
    let is_kept = settings.live.is_some() && settings.state_dir().exists();
    let bundle = if is_kept {
        &settings.state_dir()
    } else {
        &settings.bundle
    };
    if settings.live.is_some() {
        command.arg("--live-policies");
    }
    if settings.follows_cluster() {
        command.arg("--live-context");
    }
    command
        .arg("--template")
        .arg(&settings.envoy_template)
        .arg("--bundle")
        .arg(bundle)
        .arg("--context")
        .arg(&settings.context);
    for (name, value) in [
        ("ADMISSION_ADDRESS", "127.0.0.1".to_owned()),
        ("ADMISSION_PORT", ports.admission.to_string()),
        ("ADMIN_PORT", ports.admin.to_string()),
        ("EXPLAINER_HOST", "127.0.0.1".to_owned()),
        ("EXPLAINER_PORT", ports.explainer.to_string()),
        ("TLS_SDS", settings.run_dir.join("tls/sds.json").display().to_string()),
        ("FILTER_WASM", settings.filter.display().to_string()),
    ] {
        command.arg("--set").arg(format!("{name}={value}"));
    }
    command
        .args(&settings.render_arguments)
        .arg("-o")
        .arg(settings.run_dir.join("envoy.json"));
    run(command, None).map(drop).context("rendering Envoy's configuration")
}

pub(super) fn envoy(settings: &Settings) -> Command {
    let mut command = Command::new(&settings.programs.envoy);
    command
        .arg("-c")
        .arg(settings.run_dir.join("envoy.json"))
        .arg("--concurrency")
        .arg(settings.concurrency.to_string())
        // Several Envoys share this machine: without it they would meet in one block of shared memory.
        .arg("--disable-hot-restart")
        // Whoever keeps a connection to a listener that was replaced is told so at once; with the default strategy nobody is
        // within some seconds, and connections are cut at the end of them.
        .args([
            "--log-level",
            "info",
            "--drain-strategy",
            "immediate",
            "--drain-time-s",
            "5",
            "--parent-shutdown-time-s",
            "6",
        ]);
    command
}
