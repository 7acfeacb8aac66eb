//! The transcript of `just demo`: a real kubectl is denied, told why and how to fix it, and admitted; with a model what it adds and
//! what keeps it in check; and what an auditor gets of it.
//!
//! Every step checks what it shows: a transcript that is printed to its end is a passed test.

mod controls;
mod models;

use std::{
    cell::Cell,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Stack, kubernetes::run, probe, settings::root};

/// The manifest of the demonstration, from the root of the repository.
const POD: &str = "wasm-tests/stack/demo/pod.yaml";
const NAMESPACE: &str = "wasm-tests/stack/demo/namespace.yaml";
/// The explainer runs all tests of the policies before it takes them, here without a compiler's optimizations.
const PATIENCE: Duration = Duration::from_mins(2);
/// What the Pod does not have, also after the fix.
const TURNED_ON: &str = "pod-security/restricted/privilege-escalation";

/// Runs the demonstration against a stack and writes its transcript.
pub fn run_demo(stack: &Stack, out: &mut dyn Write) -> Result<()> {
    let demo = Demo {
        stack,
        root: root(),
        step: Cell::new(0),
    };
    demo.clean()?;
    let result = demo.steps(out);
    // What was made is removed in any case, so that the next run starts like this one.
    let cleaned = demo.clean();
    result.and(cleaned)
}

/// What a command prints that succeeds.
fn run_quietly(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

struct Demo<'a> {
    stack: &'a Stack,
    root: PathBuf,
    /// The last step that was begun.
    step: Cell<u32>,
}

impl Demo<'_> {
    fn begin(&self, out: &mut dyn Write, title: &str) -> Result<()> {
        self.step.set(self.step.get() + 1);
        writeln!(out, "\n# {}. {title}\n", self.step.get())?;
        Ok(())
    }

    fn steps(&self, out: &mut dyn Write) -> Result<()> {
        let policies = self
            .stack
            .settings()
            .live
            .as_ref()
            .and_then(|live| live.policies.as_ref());
        if let Some(policies) = policies {
            // A demonstration that was killed has left its own.
            self.switch(policies)?;
        }
        run(self.kubectl(&["apply", "-f", NAMESPACE]), None)?;

        let first = self.leaves()?;
        self.begin(out, "Somebody applies a Pod.")?;
        let denied = self.shown(out, &["apply", "-f", POD])?;
        if denied.success || !denied.text.contains("denied the request") {
            bail!("the Pod in {POD} should have been denied by the webhook");
        }

        self.begin(
            out,
            "The link in the message has the same as JSON: the fix as a patch, as a diff and as a command.",
        )?;
        let link = self.link(&denied.text)?;
        writeln!(out, "$ curl -s -H 'Accept: application/json' {link} | jq -r .fix.diff")?;
        let explanation = self.explanation(&link)?;
        let text = |key: &str| {
            let found = explanation.pointer(&format!("/fix/{key}")).and_then(Value::as_str);
            found
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
                .with_context(|| format!("{link} has no {key} of a fix: {explanation}"))
        };
        // It ends with a line's end, and the next step begins with one.
        write!(out, "{}", text("diff")?)?;
        if text("source")? != "search" {
            bail!("no policy's author proposes all of this change: it should have been found by the search");
        }

        self.begin(out, "The command of the message, with the file's name.")?;
        let command = text("kubectl")?;
        if !denied.text.contains(&command) {
            bail!("the command should stand in the message");
        }
        let command = command.replace("-f FILE", &format!("-f {POD}"));
        writeln!(out, "$ {command}")?;
        let admitted = self.shell(&command)?;
        write!(out, "{}", admitted.text)?;
        if !admitted.success {
            bail!("the fixed Pod should have been admitted");
        }
        // Not only said: it is there.
        run(self.kubectl(&["get", "pod", "web", "--namespace=shop"]), None)?;
        if let Some(policies) = policies {
            let changed = self.changed_policies(out, policies, &command);
            // As they were, whatever came of it.
            let before = self.switch(policies);
            changed.and(before)?;
        }
        if self.stack.settings().models().is_some() {
            self.models(out, &link, first)?;
        }
        self.controls(out)?;
        writeln!(out, "\nDenied, explained, fixed, admitted; and on the record.")?;
        Ok(())
    }

    /// Turns a policy on in a copy of the folder that the explainer reads.
    fn changed_policies(&self, out: &mut dyn Write, policies: &Path, command: &str) -> Result<()> {
        self.begin(
            out,
            "Somebody turns another policy on. Nothing is restarted, and every worker has it at once.",
        )?;
        self.clean()?;
        let copy = self.stack.settings().run_dir.join("demo-policies");
        if copy.exists() {
            fs::remove_dir_all(&copy)?;
        }
        let mut copying = Command::new("cp");
        copying.arg("-R").arg(policies).arg(&copy);
        run(copying, None)?;
        let file = copy.join("policy-set.yaml");
        let text = fs::read_to_string(&file)?;
        let (line, policies) = (format!("  {TURNED_ON}: {{enabled: true}}\n"), "\npolicies:\n");
        let changed = text.replacen(policies, &format!("{policies}{line}"), 1);
        if changed == text {
            bail!("{} has no policies", file.display());
        }
        fs::write(&file, changed)?;
        write!(out, "policies/policy-set.yaml\n+{line}\n")?;

        let began = Instant::now();
        let revision = self.switch(&copy)?;
        self.until_reported(&revision, &["idle", "serving"])?;
        writeln!(
            out,
            "{:.1} s after the change, the Pod of before:\n",
            began.elapsed().as_secs_f32()
        )?;
        writeln!(out, "$ {command}")?;
        let denied = self.shell(command)?;
        write!(out, "{}", denied.text)?;
        if denied.success || !denied.text.contains(TURNED_ON) {
            bail!("the policy that was turned on should have denied it");
        }
        self.until_reported(&revision, &["serving"])?;
        writeln!(out)?;
        let status = self.whynot(out, &["policy", "status", "--wait", &revision])?;
        if !status.success {
            bail!("every worker should have the changed policies");
        }
        Ok(())
    }

    /// Waits until a worker in one of these states says that it has this revision: they report every few seconds.
    fn until_reported(&self, revision: &str, having: &[&str]) -> Result<()> {
        probe::until(PATIENCE, || {
            let status = self.status()?;
            let proxies = status.get("proxies").and_then(Value::as_array).into_iter().flatten();
            let mut workers = proxies
                .filter_map(|proxy| proxy.get("workers").and_then(Value::as_array))
                .flatten();
            let is_there = workers.any(|worker| {
                let text = |key: &str| worker.get(key).and_then(Value::as_str).unwrap_or_default();
                having.contains(&text("state")) && text("active") == revision
            });
            Ok((!is_there).then(|| format!("no worker says that it has {revision}: {status}")))
        })
    }

    /// Gives the explainer a folder, waits until it has other policies, and says which.
    fn switch(&self, folder: &Path) -> Result<String> {
        let folder = folder.canonicalize()?;
        if self.stack.settings().policies_link().canonicalize()? == folder {
            return self.revision();
        }
        let before = self.revision()?;
        self.stack.switch_policies(&folder)?;
        let mut now = String::new();
        probe::until(PATIENCE, || {
            now = self.revision()?;
            let is_there = now != before;
            Ok((!is_there).then(|| format!("the explainer still has the policies {before}")))
        })?;
        Ok(now)
    }

    fn status(&self) -> Result<Value> {
        self.explanation(&format!("{}/v1/policies/status", self.stack.explainer_url()))
    }

    fn revision(&self) -> Result<String> {
        let status = self.status()?;
        let revision = status.pointer("/current/revision").and_then(Value::as_str);
        revision.map(str::to_owned).context("the explainer has no policies")
    }

    fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = self.stack.kubectl(arguments);
        command.current_dir(&self.root);
        command
    }

    /// Runs kubectl as a user would, and shows the command and all that it prints.
    fn shown(&self, out: &mut dyn Write, arguments: &[&str]) -> Result<Said> {
        writeln!(out, "$ kubectl {}", arguments.join(" "))?;
        let said = Said::by(&mut self.kubectl(arguments))?;
        write!(out, "{}", said.text)?;
        Ok(said)
    }

    /// Runs this project's program, and shows the command and all that it prints.
    fn whynot(&self, out: &mut dyn Write, arguments: &[&str]) -> Result<Said> {
        let quoted = arguments.iter().map(|argument| {
            if argument.contains(' ') {
                format!("'{argument}'")
            } else {
                (*argument).to_owned()
            }
        });
        writeln!(out, "$ whynot {}", quoted.collect::<Vec<_>>().join(" "))?;
        let mut command = self.stack.whynot(arguments);
        let said = Said::by(command.current_dir(&self.root))?;
        write!(out, "{}", said.text)?;
        Ok(said)
    }

    /// A path as somebody in the repository's root names it.
    fn shown_path(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    /// Runs a line of a shell in which `kubectl` is the stack's.
    fn shell(&self, line: &str) -> Result<Said> {
        let programs = self.stack.settings().programs.kubectl.parent();
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-c", line])
            .env("PATH", programs.context("kubectl is in no folder")?)
            .env("KUBECONFIG", self.stack.kubeconfig())
            .env("HOME", &self.stack.settings().run_dir)
            .current_dir(&self.root);
        Said::by(&mut shell)
    }

    /// The link that the explainer put into the message.
    fn link(&self, message: &str) -> Result<String> {
        let prefix = format!("{}/e/", self.stack.explainer_url());
        let rest = message.split_once(&prefix).map(|(_, rest)| rest);
        let id: String = rest
            .unwrap_or_default()
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            .collect();
        if id.is_empty() {
            bail!(
                "the message has no link to {prefix}…: was the explainer asked? Its log is {}",
                self.stack.log_file(super::Part::Explainer).display()
            );
        }
        Ok(prefix + &id)
    }

    fn explanation(&self, link: &str) -> Result<Value> {
        let client = probe::client(&self.stack.ca_file())?;
        let mut answer = client
            .get(link)
            .header("accept", "application/json")
            // What models were asked and what that cost is for the administrator.
            .header("authorization", self.stack.authorization()?)
            .call()
            .with_context(|| format!("asking {link}"))?;
        let text = answer.body_mut().read_to_string()?;
        if answer.status().as_u16() != 200 {
            bail!("{link} answered {}: {text}", answer.status());
        }
        serde_json::from_str(&text).with_context(|| format!("{link} did not answer JSON: {text}"))
    }

    /// Not the namespace: no controller runs here that would finish its deletion.
    fn clean(&self) -> Result<()> {
        let arguments = [
            "delete",
            "pod",
            "web",
            "--namespace=shop",
            "--ignore-not-found",
            "--now",
        ];
        run(self.kubectl(&arguments), None).map(drop)
    }
}

struct Said {
    success: bool,
    text: String,
}

impl Said {
    fn by(command: &mut Command) -> Result<Self> {
        let output = command
            .output()
            .with_context(|| format!("running {}", command.get_program().display()))?;
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok(Self {
            success: output.status.success(),
            text,
        })
    }
}
