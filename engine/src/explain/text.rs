//! The text of a denial for a terminal, and warnings of one line.
//!
//! The first line says what and how many; each problem says where, why and how; the change that was tried comes last, next to
//! the person's prompt.

use super::path;
use super::wire::{Decision, ExplainRequest, FixSummary, Repeat, ReviewSummary};
use crate::redact;
use crate::verdict::{Action, Failure, FailureKind, Found, Severity, Violation};

/// Lines are broken here; narrower terminals break them again.
const WIDTH: usize = 96;

/// More warnings than this are summed up in one.
const MAX_WARNINGS: usize = 10;

/// More places than this are summed up in one line.
const MAX_PLACES: usize = 8;

/// What the engine cannot know and the explainer can.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// How often the team hit these rules.
    pub repeats: Vec<Repeat>,
    /// Where the explanation stays readable.
    pub url: Option<String>,
}

/// The words for one decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// For the denial's `status.message`; empty when the request is allowed.
    pub message: String,
    /// For `warnings`.
    pub warnings: Vec<String>,
}

/// Words the decision.
pub fn render(request: &ExplainRequest, extras: &Extras) -> Words {
    let message = match request.decision {
        Decision::Allow => String::new(),
        Decision::Deny => denial(request, extras),
    };
    Words {
        message,
        warnings: warnings(request),
    }
}

fn denial(request: &ExplainRequest, extras: &Extras) -> String {
    let rules = by_policy(request.with_action(Action::Deny));
    let broken: Vec<&Failure> = request.failures.iter().filter(|failure| !failure.tolerated).collect();
    let count: usize = rules.iter().map(Vec::len).sum::<usize>() + broken.len();
    let mut text = format!("{} in {}\n", plural(count, "problem"), subject(&request.review));
    for rule in &rules {
        text.push('\n');
        problem(rule, request.fix.as_ref(), &extras.repeats, &mut text);
    }
    for failure in &broken {
        text.push('\n');
        failed(failure, &mut text);
    }
    let mut end = String::new();
    if let Some(fix) = &request.fix {
        end.push('\n');
        end.push_str(&proven(fix, !broken.is_empty() || !fix.complete));
    }
    if let Some(url) = &extras.url {
        end.push_str(&format!("\nMore: {url}\n"));
    }
    // When there is too much of it, the problems are cut, and not what to do about them.
    let end = redact::lines(end.trim_end(), redact::MAX_MESSAGE / 2);
    let room = redact::MAX_MESSAGE.saturating_sub(end.len() + 2);
    let problems = redact::lines(text.trim_end(), room);
    if end.is_empty() {
        problems
    } else {
        format!("{problems}\n{end}")
    }
}

/// `Pod shop/web`, `Deployment shop/web (scale)`, `Namespace shop`.
pub fn subject(review: &ReviewSummary) -> String {
    let name = match (review.name.as_str(), review.generate_name.as_str()) {
        ("", "") => "(no name)".to_owned(),
        ("", prefix) => format!("{prefix}..."),
        (name, _) => name.to_owned(),
    };
    let is_namespaced = !review.namespace.is_empty() && review.kind.kind != "Namespace";
    let place = if is_namespaced {
        format!("{}/{name}", review.namespace)
    } else {
        name
    };
    let sub_resource = match review.sub_resource.as_str() {
        "" => String::new(),
        name => format!(" ({name})"),
    };
    redact::line(&format!("{} {place}{sub_resource}", review.kind.kind), 400)
}

/// Violations of one policy together, in the order in which the policies first appear.
fn by_policy<'a>(violations: impl Iterator<Item = &'a Violation>) -> Vec<Vec<&'a Violation>> {
    let mut rules: Vec<Vec<&Violation>> = Vec::new();
    for violation in violations {
        match rules
            .iter_mut()
            .find(|rule| rule.first().is_some_and(|first| first.policy == violation.policy))
        {
            Some(rule) => rule.push(violation),
            None => rules.push(vec![violation]),
        }
    }
    rules
}

fn problem(rule: &[&Violation], fix: Option<&FixSummary>, repeats: &[Repeat], text: &mut String) {
    let Some(first) = rule.first() else { return };
    for violation in rule {
        bullet("* ", &violation.message, text);
        for found in violation.found.iter().take(MAX_PLACES) {
            text.push_str(&format!("    {}\n", place(found)));
        }
        if violation.found.len() > MAX_PLACES {
            text.push_str(&format!("    and {} more places\n", violation.found.len() - MAX_PLACES));
        }
    }
    if !first.why.is_empty() {
        bullet("  Why:  ", &first.why, text);
    }
    // What the change below does needs no second description.
    let is_fixed = fix.is_some_and(|fix| fix.policies.contains(&first.policy));
    if !first.remediation.is_empty() && !is_fixed {
        bullet("  Fix:  ", &first.remediation, text);
    }
    if !first.example.is_empty() && !is_fixed {
        for line in first.example.trim_end().lines() {
            text.push_str(&format!("        {line}\n"));
        }
    }
    text.push_str(&format!("  Rule: {}{}\n", first.policy, severity(first.severity)));
    if let Some(repeat) = repeats
        .iter()
        .find(|repeat| repeat.policy == first.policy && repeat.count > 1)
    {
        bullet("  Note: ", &nudge(repeat), text);
    }
}

/// What a team is told that was here before.
pub fn nudge(repeat: &Repeat) -> String {
    let Repeat {
        team,
        count,
        window_days,
        ..
    } = repeat;
    if *count == 2 {
        return format!("second time in {window_days} days that team {team} meets this rule.");
    }
    format!(
        "{} time in {window_days} days that team {team} meets this rule; put the fix into the template or chart that \
         these objects come from, and it is the last.",
        ordinal(*count)
    )
}

fn ordinal(count: u64) -> String {
    let suffix = match (count % 10, count % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{count}{suffix}")
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => " (severity low)",
        Severity::Medium => "",
        Severity::High => " (severity high)",
        Severity::Critical => " (severity critical)",
    }
}

fn place(found: &Found) -> String {
    let path = path::human(&found.path);
    match &found.value {
        Some(value) => redact::line(&format!("{path}: {value}"), 400),
        None => redact::line(&path, 400),
    }
}

fn failed(failure: &Failure, text: &mut String) {
    let detail = redact::line(&failure.detail, 300);
    bullet(
        "* ",
        &format!("Policy {} could not be evaluated: {detail}.", failure.policy),
        text,
    );
    let why = match failure.kind {
        FailureKind::Limit => {
            "what cannot be judged is not let through. Either the policy does too much, or the object is far larger than \
             it was written for: please ask the platform team."
        }
        FailureKind::Undefined | FailureKind::Shape | FailureKind::Error => {
            "what cannot be judged is not let through. The fault is in the policy, not in your object: please tell the \
             platform team."
        }
    };
    bullet("  Why:  ", why, text);
}

fn proven(fix: &FixSummary, is_partial: bool) -> String {
    let title = if is_partial {
        format!(
            "Change for {} (tried: they pass with it; the rest needs the fixes above):",
            rules(fix)
        )
    } else {
        "Change this (tried: with it every policy lets the request pass):".to_owned()
    };
    let mut text = format!("{title}\n\n");
    for line in fix.snippet.lines() {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

fn rules(fix: &FixSummary) -> String {
    fix.policies.join(", ")
}

/// One line a policy: what, how often, and how to mend it when that fits.
fn warnings(request: &ExplainRequest) -> Vec<String> {
    let mut all: Vec<String> = by_policy(request.with_action(Action::Warn))
        .iter()
        .filter_map(|rule| warning(rule))
        .collect();
    all.extend(
        request
            .failures
            .iter()
            .filter(|failure| failure.tolerated)
            .map(|failure| {
                format!(
                    "[{}] could not be evaluated and was let through: {}",
                    failure.policy, failure.detail
                )
            }),
    );
    let total = all.len();
    if total > MAX_WARNINGS {
        all.truncate(MAX_WARNINGS - 1);
        all.push(format!("and {} more warnings", total - all.len()));
    }
    redact::warnings(&all)
}

fn warning(rule: &[&Violation]) -> Option<String> {
    let first = rule.first()?;
    let more = match rule.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let short = format!("[{}] {}{more}", first.policy, first.message);
    let whole = format!("{short} {}", first.remediation);
    // Half a sentence helps nobody.
    let fits = redact::line(&whole, usize::MAX).chars().count() <= redact::MAX_WARNING;
    Some(if fits { whole } else { short })
}

/// A paragraph that hangs under its lead.
fn bullet(lead: &str, paragraph: &str, text: &mut String) {
    let indent = " ".repeat(lead.len());
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(lead)
        .subsequent_indent(&indent)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    let clean = redact::line(paragraph, 2000);
    text.push_str(&textwrap::fill(&clean, options));
    text.push('\n');
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}
