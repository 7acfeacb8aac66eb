//! A witness of the explainer's audit log. On the same machine it shows how it is done, and no more.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use super::{Stack, kubernetes::run, settings::Settings};

/// Its name.
const NAME: &str = "witness.localhost/demo";

fn key(settings: &Settings) -> PathBuf {
    settings.run_dir.join("witness/witness.key")
}

fn public_key(settings: &Settings) -> PathBuf {
    settings.run_dir.join("witness/witness.pub")
}

fn checkpoint(settings: &Settings) -> PathBuf {
    settings.run_dir.join("witness/witness.checkpoint")
}

/// Makes its key.
pub(super) fn prepare(settings: &Settings) -> Result<()> {
    let key = key(settings);
    fs::create_dir_all(key.parent().context("a folder")?)?;
    let mut command = Command::new(&settings.programs.whynot);
    command.args(["audit", "key", "--new", NAME, "--witness"]).arg(&key);
    let public = run(command, None)?;
    fs::write(public_key(settings), public)?;
    Ok(())
}

/// Says to `whynot serve` where its word is.
pub(super) fn serve_arguments(settings: &Settings, command: &mut Command) {
    // A stack without one has no such file.
    let Ok(public) = fs::read_to_string(public_key(settings)) else {
        return;
    };
    command
        .arg("--witness-checkpoint")
        .arg(checkpoint(settings))
        .args(["--witness-key", public.trim()]);
}

/// One look.
pub(super) fn look(stack: &Stack) -> Result<String> {
    let settings = stack.settings();
    let mut asking = Command::new(&settings.programs.whynot);
    asking.args(["audit", "key"]).arg(settings.run_dir.join("audit.key"));
    let log = run(asking, None).context("asking for the log's public key")?;
    let mut command = Command::new(&settings.programs.whynot);
    command
        .args(["audit", "witness", "--once", "--public-key", log.trim()])
        .args(["--log", &format!("{}/audit", stack.explainer_url())])
        .arg("--key")
        .arg(key(settings))
        .arg("--state")
        .arg(checkpoint(settings));
    let output = command.output().context("running the witness")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("the witness: {said}");
    }
    Ok(said)
}
