//! Results as text and as JSON.

use engine::policy::Problem;
use serde_json::json;

use super::super::super::style::{Looks, count};
use super::super::super::{Failed, Streams};
use super::super::inputs::Inputs;
use super::{Results, TestArgs};
use crate::assembly::{Coverage, Outcome, Test, percent, ranges};

pub(super) fn text(args: &TestArgs, results: &Results, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let looks = streams.looks;
    let mut out = String::new();
    for test in &results.tests {
        out.push_str(&line(test, args.verbose, looks));
    }
    if let Some(coverage) = &results.coverage {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&covered(coverage, looks));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let (passed, failed, skipped) = (results.passed(), results.failed(), results.skipped());
    let summary = format!("{passed} passed, {failed} failed, {skipped} skipped");
    let summary = if failed == 0 {
        looks.good(&summary)
    } else {
        looks.bad(&summary)
    };
    out.push_str(&summary);
    out.push('\n');
    if results.tests.is_empty() {
        out.push_str("there are no tests: none of the files is a *_test.rego or holds cases\n");
    }
    streams.out.write_all(out.as_bytes())?;
    if let Some(threshold) = results.too_low(args.threshold) {
        let percent = results.coverage.as_ref().map_or(0, Coverage::percent);
        writeln!(
            streams.err,
            "error: coverage is {percent}%, below the threshold of {threshold}%"
        )?;
    }
    Ok(())
}

fn line(test: &Test, verbose: bool, looks: Looks) -> String {
    let name = test.full_name();
    let (mark, reason) = match &test.outcome {
        Outcome::Passed if verbose => return format!("{}  {name}\n", looks.good("ok  ")),
        Outcome::Skipped if verbose => return format!("{}  {name}\n", looks.doubtful("skip")),
        Outcome::Passed | Outcome::Skipped => return String::new(),
        Outcome::Failed(reason) | Outcome::Broken(reason) => (looks.bad("FAIL"), reason),
    };
    let place = looks.dim(&format!("{}:{}", test.file, test.line));
    let verb = match test.outcome {
        Outcome::Broken(_) => "could not be evaluated: ",
        _ => "",
    };
    let reason = reason.replace('\n', "\n      ");
    format!("{mark}  {name}\n      {place}\n      {verb}{reason}\n")
}

fn covered(coverage: &Coverage, looks: Looks) -> String {
    let mut out = format!(
        "{} {}\n",
        looks.strong("Coverage"),
        looks.dim(&format!("({})", Coverage::NOTE))
    );
    for (policy, files) in coverage.policies() {
        let percent = percent(files.values());
        let shown = format!("{percent:>4}%");
        let shown = if percent == 100 {
            looks.good(&shown)
        } else {
            looks.doubtful(&shown)
        };
        out.push_str(&format!("{shown}  {policy}\n"));
        for (file, lines) in files.iter().filter(|(_, lines)| !lines.missed.is_empty()) {
            out.push_str(&format!("       {file}: not run: {}\n", ranges(&lines.missed)));
        }
    }
    out.push_str(&looks.strong(&format!("{:>4}%  in all", coverage.percent())));
    out.push('\n');
    out
}

pub(super) fn json(args: &TestArgs, results: &Results, streams: &mut Streams<'_>) -> Result<(), Failed> {
    let test = |test: &Test| {
        let (outcome, message) = match &test.outcome {
            Outcome::Passed => ("passed", None),
            Outcome::Skipped => ("skipped", None),
            Outcome::Failed(reason) => ("failed", Some(reason)),
            Outcome::Broken(reason) => ("error", Some(reason)),
        };
        json!({
            "name": test.name, "group": test.group, "kind": if test.is_case { "case" } else { "rego" },
            "file": test.file, "line": test.line, "outcome": outcome, "message": message,
            "seconds": test.time.map(|time| time.as_secs_f64()),
        })
    };
    let coverage = results.coverage.as_ref().map(|coverage| {
        let policy = |(policy, files): (&str, &std::collections::BTreeMap<String, engine::testing::Coverage>)| {
            let of = files
                .iter()
                .map(|(file, lines)| json!({"file": file, "missed": lines.missed}));
            json!({"policy": policy, "percent": percent(files.values()), "files": of.collect::<Vec<_>>()})
        };
        json!({
            "percent": coverage.percent(), "counts": Coverage::NOTE, "threshold": args.threshold,
            "policies": coverage.policies().map(policy).collect::<Vec<_>>(),
        })
    });
    let report = json!({
        "ok": results.failed() == 0 && results.too_low(args.threshold).is_none(),
        "passed": results.passed(), "failed": results.failed(), "skipped": results.skipped(),
        "seconds": results.time.as_secs_f64(),
        "tests": results.tests.iter().map(test).collect::<Vec<_>>(),
        "coverage": coverage, "problems": [],
    });
    Ok(writeln!(streams.out, "{}", serde_json::to_string_pretty(&report)?)?)
}

/// When nothing could be tested.
pub(super) fn unreadable(given: &Inputs, problems: &[Problem], streams: &mut Streams<'_>) -> Result<(), Failed> {
    let report = json!({"ok": false, "tests": [], "problems": super::super::json(given, problems)});
    writeln!(streams.out, "{}", serde_json::to_string_pretty(&report)?)?;
    Ok(writeln!(
        streams.err,
        "error: {}; nothing was tested",
        count(problems.len(), "problem")
    )?)
}
