//! The end of the demonstration: the audit log is verified, and the controls are told with their evidence.

use std::io::Write;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Demo;
use crate::stack::probe;

/// As a report has them, and as they are shown.
const STATUSES: [(&str, &str); 5] = [
    ("evidenced", "evidenced"),
    ("not-evidenced", "not evidenced"),
    ("attested", "attested"),
    ("attestation-missing", "attestation missing"),
    ("not-applicable", "not applicable"),
];
/// What is shown of a reason.
const WIDTH: usize = 110;
/// How many controls there are.
const CONTROLS: usize = 82;

impl Demo<'_> {
    pub(super) fn controls(&self, out: &mut dyn Write) -> Result<()> {
        self.begin(
            out,
            "All of it is in the audit log. A witness looks at it, and anybody can verify it.",
        )?;
        let settings = self.stack.settings();
        if settings.live.as_ref().is_some_and(|live| live.witness) {
            writeln!(out, "$ whynot audit witness --once …")?;
            write!(out, "{}", self.stack.witness()?)?;
        }
        let database = self.shown_path(&self.stack.audit_database());
        let verified = self.whynot(out, &["audit", "verify", "--database", &database])?;
        if !verified.success {
            bail!("the audit log should verify");
        }

        self.begin(
            out,
            "What it evidences of the controls of AIUC-1, the NIST AI RMF and NIST AI 600-1. One of them asks that the service is \
             watched: here curl stands for a monitoring system.",
        )?;
        let metrics = format!("{}/metrics", self.stack.explainer_url());
        writeln!(out, "$ curl -s {metrics} | grep ^whynot_explanations")?;
        let client = probe::client(&self.stack.ca_file())?;
        let collected = client.get(&metrics).call()?.body_mut().read_to_string()?;
        for line in collected.lines().filter(|line| line.starts_with("whynot_explanations")) {
            writeln!(out, "{line}")?;
        }
        let report = self.report()?;
        summarize(&report, out)?;
        let written = [("markdown", "build/controls.md"), ("html", "build/controls.html")];
        for (format, file) in written {
            let arguments = ["governance", "report", "--format", format, "--output", file];
            let mut command = self.stack.whynot(arguments);
            super::run_quietly(command.current_dir(&self.root))?;
        }
        writeln!(
            out,
            "\nAll of them, each with its evidence or its reason: {}. Of a stack that runs (`just up`), or of its log alone:\n\
             $ whynot governance report --server {} --token-file {}\n\
             $ whynot governance report --database {database}",
            written.map(|(_, file)| file).join(", "),
            self.stack.explainer_url(),
            self.shown_path(&settings.token_file()),
        )?;
        Ok(())
    }

    /// The report, as programs read it.
    fn report(&self) -> Result<Value> {
        let mut command = self.stack.whynot(["governance", "report", "--format", "json"]);
        let text = super::run_quietly(command.current_dir(&self.root))?;
        serde_json::from_str(&text).context("reading the report")
    }
}

fn summarize(report: &Value, out: &mut dyn Write) -> Result<()> {
    check(report)?;
    let text = |value: &Value, member: &str| value.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    writeln!(out, "$ whynot governance report")?;
    write!(out, "{:22}", "")?;
    for (_, words) in STATUSES {
        write!(out, "  {words}")?;
    }
    writeln!(out)?;
    let frameworks = report.get("frameworks").and_then(Value::as_array);
    let mut sums = [0; STATUSES.len()];
    for framework in frameworks.into_iter().flatten() {
        let name = format!("{} {}", text(framework, "name"), text(framework, "version"));
        let mut row = [0; STATUSES.len()];
        for ((count, sum), (status, _)) in row.iter_mut().zip(&mut sums).zip(STATUSES) {
            let counted = framework.pointer(&format!("/statuses/{status}"));
            *count = counted.and_then(Value::as_u64).unwrap_or(0);
            *sum += *count;
        }
        line(out, &name, row)?;
    }
    line(out, "all", sums)?;

    let controls = report.get("controls").and_then(Value::as_array);
    let open = controls
        .into_iter()
        .flatten()
        .filter(|control| text(control, "status") == "not-evidenced");
    let open: Vec<(String, String)> = open
        .map(|control| (text(control, "id"), text(control, "reason")))
        .collect();
    if !open.is_empty() {
        writeln!(out, "\nNot evidenced here:")?;
    }
    for (id, reason) in open {
        let reason = reason.strip_prefix("Not shown: ").unwrap_or(&reason);
        let mut shown: String = reason.chars().take(WIDTH).collect();
        if shown.len() < reason.len() {
            shown.push('…');
        }
        writeln!(out, "  {id:<12} {shown}")?;
    }
    Ok(())
}

fn line(out: &mut dyn Write, name: &str, counts: [u64; STATUSES.len()]) -> Result<()> {
    write!(out, "{name:22}")?;
    for (count, (_, words)) in counts.into_iter().zip(STATUSES) {
        write!(out, "  {count:>width$}", width = words.len())?;
    }
    writeln!(out)?;
    Ok(())
}

/// Every control has a status, with evidence or a reason, and the log is as it was signed.
fn check(report: &Value) -> Result<()> {
    if report.pointer("/log/verified") != Some(&Value::Bool(true)) {
        bail!("the audit log of the report does not verify: {report}");
    }
    let controls = report
        .get("controls")
        .and_then(Value::as_array)
        .context("no controls")?;
    if controls.len() != CONTROLS {
        bail!("{} controls, and not {CONTROLS}", controls.len());
    }
    for control in controls {
        let status = control.get("status").and_then(Value::as_str).unwrap_or_default();
        let evidence = control
            .get("evidence")
            .and_then(Value::as_array)
            .is_some_and(|all| !all.is_empty());
        let reason = control
            .get("reason")
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty());
        let is_told = if status == "evidenced" { evidence } else { reason };
        if !STATUSES.iter().any(|(known, _)| *known == status) || !is_told {
            bail!("a control without its status, evidence or reason: {control}");
        }
    }
    Ok(())
}
