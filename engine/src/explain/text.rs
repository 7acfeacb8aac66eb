//! The text of a denial for a terminal, and warnings of one line.
//!
//! The first line says what and how many; each problem says where, why and how. What one change is for stands together, and the
//! change comes last, next to the person's prompt.

mod warnings;

use super::by_model::{self, ByModel};
use super::wire::{Decision, ExplainRequest, Repeat, ReviewSummary};
use super::{path, remedy, why};
use crate::redact;
use crate::verdict::{Action, Failure, FailureKind, Found, Link, Severity, Violation};

/// Lines are broken here; narrower terminals break them again.
pub(super) const WIDTH: usize = 96;

/// With more rules than this only the first sentence of each reason is shown; the link has all of it.
const MAX_WHOLE_REASONS: usize = 3;

/// More links than this are behind the explanation's own.
const MAX_LINKS: usize = 2;

/// More places than this are summed up in one line.
const MAX_PLACES: usize = 8;

/// What the engine cannot know and the explainer can.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// How often the team hit these rules.
    pub repeats: Vec<Repeat>,
    /// Where the explanation stays readable.
    pub url: Option<String>,
    /// A model's words, which come beside the engine's own and never in their place.
    pub by_model: Option<ByModel>,
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
        warnings: warnings::of(request),
    }
}

fn denial(request: &ExplainRequest, extras: &Extras) -> String {
    let rules = by_policy(request.with_action(Action::Deny));
    let broken: Vec<&Failure> = request.failures.iter().filter(|failure| !failure.tolerated).collect();
    let count: usize = rules.iter().map(Vec::len).sum::<usize>() + broken.len();
    let source = request.upstream.as_ref();
    let source = source.map(|upstream| format!(" found by the webhook {}", redact::line(&upstream.webhook, 200)));
    let mut text = format!(
        "{} in {}{}\n",
        plural(count, "problem"),
        subject(&request.review),
        source.unwrap_or_default()
    );
    let words = Rules {
        request,
        repeats: &extras.repeats,
        url: extras.url.as_deref(),
        // What everybody can look up is cut first.
        is_brief: rules.len() > MAX_WHOLE_REASONS,
    };
    let mut told = Vec::new();
    for group in &groups(request, rules) {
        words.group(group, &mut told, &mut text);
    }
    for failure in &broken {
        text.push('\n');
        failed(failure, &mut text);
    }
    let mut end = String::new();
    if let Some(origin) = &request.origin {
        end.push('\n');
        bullet("", &origin.text, &mut end);
    }
    if let Some(fix) = &request.fix {
        end.push('\n');
        end.push_str(&remedy::block(request, fix, !broken.is_empty() || !fix.complete));
    }
    if let Some(url) = &extras.url {
        end.push_str(&format!("\nMore: {url}\n"));
    }
    // When there is too much of it, the problems are cut, and not what to do about them.
    let end = redact::lines(end.trim_end(), redact::MAX_MESSAGE / 2);
    let room = redact::MAX_MESSAGE.saturating_sub(end.len() + 2);
    let problems = redact::lines(text.trim_end(), room);
    let by_model = extras
        .by_model
        .as_ref()
        .map(|words| by_model::block(words, request.fix.is_some()));
    // Never in the place of anything else.
    let problems = match by_model.filter(|words| words.len() + 2 + problems.len() <= room) {
        Some(words) => format!("{}\n\n{words}", problems.trim_end()),
        None => problems,
    };
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

/// Rules that have the same end.
struct Group<'a> {
    rules: Vec<Vec<&'a Violation>>,
    /// Why no edit helps.
    reason: Option<&'a str>,
    /// The change at the end of the text is for them.
    is_fixed: bool,
}

/// What no edit helps first, by its reason; then what has only advice; last, next to the change, what the change is for.
fn groups<'a>(request: &'a ExplainRequest, rules: Vec<Vec<&'a Violation>>) -> Vec<Group<'a>> {
    let mut unfixable: Vec<Group<'_>> = Vec::new();
    let (mut open, mut fixed) = (Vec::new(), Vec::new());
    for rule in rules {
        let Some(policy) = rule.first().map(|first| &first.policy) else {
            continue;
        };
        if request.fix.as_ref().is_some_and(|fix| fix.policies.contains(policy)) {
            fixed.push(rule);
        } else if let Some(reason) = request.unfixable.get(policy) {
            match unfixable.iter_mut().find(|group| group.reason == Some(reason)) {
                Some(group) => group.rules.push(rule),
                None => unfixable.push(Group {
                    rules: vec![rule],
                    reason: Some(reason),
                    is_fixed: false,
                }),
            }
        } else {
            open.push(rule);
        }
    }
    let rest = [(open, false), (fixed, true)].map(|(rules, is_fixed)| Group {
        rules,
        reason: None,
        is_fixed,
    });
    unfixable.into_iter().chain(rest).collect()
}

/// How rules are worded.
struct Rules<'a> {
    request: &'a ExplainRequest,
    repeats: &'a [Repeat],
    url: Option<&'a str>,
    is_brief: bool,
}

impl Rules<'_> {
    /// `told`: the reasons that were given before.
    fn group<'v>(&self, group: &Group<'v>, told: &mut Vec<&'v str>, text: &mut String) {
        for rule in &group.rules {
            text.push('\n');
            self.rule(rule, group, told, text);
        }
        let which = match group.rules.len() {
            1 => String::new(),
            many => format!(" (for the {many} rules above)"),
        };
        if let Some(reason) = group.reason {
            bullet("  ", &format!("No edit of this object helps{which}: {reason}"), text);
        } else if !group.is_fixed && !group.rules.is_empty() {
            let next = next_step(&group.rules);
            bullet("  ", &format!("No change that passes was found{which}. {next}"), text);
            // The explainer's own address is the explanation's without its path.
            if let Some((server, _)) = self.url.and_then(|url| url.rsplit_once("/e/")) {
                text.push_str(&format!(
                    "  Try a change without a deploy: whynot check -f FILE --server {server}\n"
                ));
            }
        }
    }

    fn rule<'v>(&self, rule: &[&'v Violation], group: &Group<'v>, told: &mut Vec<&'v str>, text: &mut String) {
        let Some(&first) = rule.first() else { return };
        for violation in rule {
            bullet("* ", &violation.message, text);
            for found in violation.found.iter().take(MAX_PLACES) {
                text.push_str(&format!("    {}\n", self.place(found)));
            }
            if violation.found.len() > MAX_PLACES {
                text.push_str(&format!("    and {} more places\n", violation.found.len() - MAX_PLACES));
            }
        }
        let reason = why::reason(self.request, first);
        // The same sentence twice is read as noise.
        if !reason.text.is_empty() && !told.contains(&reason.text) {
            told.push(reason.text);
            let text_of = if self.is_brief {
                first_sentence(reason.text)
            } else {
                reason.text
            };
            bullet("  Why:  ", text_of, text);
        }
        // What the change below does needs no second description, unless it leaves something to a person.
        let is_told = !group.is_fixed || self.is_for_a_person(rule);
        if !first.remediation.is_empty() && is_told {
            // The change below shows the rest.
            let hint = if self.is_brief && group.is_fixed {
                first_sentence(&first.remediation)
            } else {
                &first.remediation
            };
            bullet("  Hint: ", hint, text);
        }
        if !first.example.is_empty() && is_told {
            for line in first.example.trim_end().lines() {
                text.push_str(&format!("        {line}\n"));
            }
        }
        bullet("  Rule: ", &called(first), text);
        // Where nothing else helps, a person has to read on or ask.
        if !group.is_fixed && group.reason.is_none() {
            for link in first.links.iter().take(MAX_LINKS) {
                bullet("  See:  ", &see(link), text);
            }
        }
        if let Some(repeat) = self
            .repeats
            .iter()
            .find(|repeat| repeat.policy == first.policy && repeat.count > 1)
        {
            bullet("  Note: ", &nudge(repeat), text);
        }
    }

    /// Whether something has to be filled in where this rule objects.
    fn is_for_a_person(&self, rule: &[&Violation]) -> bool {
        let Some(fix) = &self.request.fix else { return false };
        let is_below = |path: &str, other: &str| {
            path.strip_prefix(other)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        fix.placeholders.iter().any(|placeholder| {
            let mut found = rule.iter().flat_map(|violation| &violation.found).peekable();
            found.peek().is_none()
                || found
                    .any(|found| is_below(&placeholder.path, &found.path) || is_below(&found.path, &placeholder.path))
        })
    }

    fn place(&self, found: &Found) -> String {
        let path = path::human(&found.path);
        match &found.value {
            Some(value) if self.request.defaulted.contains(&found.path) => {
                redact::line(&format!("{path}: {value} (the default; nobody wrote it)"), 400)
            }
            Some(value) => redact::line(&format!("{path}: {value}"), 400),
            None => redact::line(&path, 400),
        }
    }
}

/// The rule's name; with its title where nothing else says what it wants.
fn called(violation: &Violation) -> String {
    let name = format!("{}{}", violation.policy, severity(violation.severity));
    let title = violation.title.trim().trim_end_matches('.');
    // A constraint without a title has its kind as one, which is in its name.
    let is_in_name = violation.policy.split('/').next() == Some(title.to_lowercase().as_str());
    let is_said = violation.message.trim_end_matches('.').eq_ignore_ascii_case(title);
    if title.is_empty() || is_in_name || is_said || !violation.why.trim().is_empty() {
        name
    } else {
        format!("{name}, \"{title}\"")
    }
}

/// What to do when nothing was found: what the authors advise, or whom to ask.
fn next_step(rules: &[Vec<&Violation>]) -> &'static str {
    let is_advised = |rule: &Vec<&Violation>| {
        let first = rule.first();
        first.is_some_and(|first| !first.remediation.is_empty() || !first.example.is_empty())
    };
    match (rules.iter().all(is_advised), rules.len()) {
        (true, 1) => "Do what the hint says.",
        (true, _) => "Do what the hints say.",
        (false, 1) => "Go by the message, or ask those who keep this rule.",
        (false, _) => "Go by the messages, or ask those who keep these rules.",
    }
}

/// A link on one line.
fn see(link: &Link) -> String {
    let reference = redact::line(&link.reference, 200);
    match redact::line(&link.description, 80) {
        description if description.is_empty() => reference,
        description => format!("{description}: {reference}"),
    }
}

/// The first sentence of a text, whole.
fn first_sentence(text: &str) -> &str {
    let is_end = |at: usize| {
        let after = text.get(at + 1..).unwrap_or_default();
        // `e.g. x` and `1.4.2` end nothing.
        after.starts_with(char::is_whitespace) && after.trim_start().starts_with(char::is_uppercase)
    };
    let end = text.match_indices('.').map(|(at, _)| at).find(|&at| is_end(at));
    end.and_then(|end| text.get(..=end)).unwrap_or(text)
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
        FailureKind::Context => {
            "what cannot be judged is not let through. What the policy has to know of the cluster is not there; the fault is not \
             in your object. Try again in a moment, and tell the platform team if it stays."
        }
    };
    bullet("  Why:  ", why, text);
}

/// Typographic signs as every terminal shows them; letters of all languages stay.
fn typewriter(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{2026}' => plain.push_str("..."),
            '\u{2018}' | '\u{2019}' => plain.push('\''),
            '\u{201C}'..='\u{201E}' => plain.push('"'),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => plain.push('-'),
            '\u{2192}' => plain.push_str("->"),
            '\u{2264}' => plain.push_str("<="),
            '\u{2265}' => plain.push_str(">="),
            '\u{2022}' | '\u{00B7}' => plain.push('*'),
            '\u{00D7}' => plain.push('x'),
            '\u{00A0}' => plain.push(' '),
            other => plain.push(other),
        }
    }
    plain
}

/// A paragraph that hangs under its lead.
pub(super) fn bullet(lead: &str, paragraph: &str, text: &mut String) {
    let indent = " ".repeat(lead.len());
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(lead)
        .subsequent_indent(&indent)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    let clean = typewriter(&redact::line(paragraph, 2000));
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

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
#[path = "text_tests.rs"]
mod tests;
