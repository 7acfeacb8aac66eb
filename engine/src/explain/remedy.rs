//! The change at the end of a denial: what it is, how far it was checked, and the command for it.

use super::path;
use super::text::bullet;
use super::wire::{ExplainRequest, FixSummary};
use crate::fix::{Class, Source};
use crate::redact;

/// The longest command in the text, in characters: a longer one is behind the link.
const MAX_COMMAND: usize = 1000;

/// The longest snippet in the text, in bytes.
const MAX_SNIPPET: usize = 5 * 1024;

/// More policies than this are counted and not named.
const MAX_NAMED: usize = 2;

/// More paths than this are counted and not named.
const MAX_PATHS: usize = 4;

/// The change, its title first. `is_partial`: something else still denies after it.
pub(super) fn block(request: &ExplainRequest, fix: &FixSummary, is_partial: bool) -> String {
    let mut text = String::new();
    bullet("", &title(request, fix, is_partial), &mut text);
    text.push('\n');
    let snippet = if fix.lifted.is_empty() {
        &fix.snippet
    } else {
        &fix.lifted
    };
    for line in redact::lines(snippet, MAX_SNIPPET).lines() {
        text.push_str(&format!("    {line}\n"));
    }
    let mut notes = String::new();
    // A long mark is broken into several comments.
    let marks: Vec<&str> = snippet
        .lines()
        .map(|line| line.trim().trim_start_matches("# "))
        .collect();
    let marks = marks.join(" ");
    for placeholder in &fix.placeholders {
        // What the mark in the line says already is not said again.
        let rest = match placeholder.meaning.rsplit_once(": ") {
            _ if marks.contains(&placeholder.meaning) => "",
            Some((mark, rest)) if marks.contains(mark) => rest,
            _ => &placeholder.meaning,
        };
        if !rest.is_empty() {
            let label = path::human(&placeholder.path);
            bullet("  ", &format!("{label}: {rest}"), &mut notes);
        }
    }
    for (label, paths) in [("removes", &fix.removes), ("gives more access", &fix.widens)] {
        if !paths.is_empty() {
            bullet("  ", &format!("{label}: {}", listed(paths)), &mut notes);
        }
    }
    if !fix.kubectl.is_empty() && fix.kubectl.chars().count() <= MAX_COMMAND {
        notes.push_str(&format!("  Run: {}\n", fix.kubectl));
    }
    if !notes.is_empty() {
        text.push('\n');
        text.push_str(&notes);
    }
    text
}

fn title(request: &ExplainRequest, fix: &FixSummary, is_partial: bool) -> String {
    let (what, how) = match fix.class {
        Class::Fix => ("Fix", "checked"),
        Class::Placeholder => ("Fill in the marked values", "checked with an example"),
    };
    let how = match fix.source {
        Source::Model => format!("proposed by a model, {how}"),
        Source::Author | Source::Search => how.to_owned(),
    };
    // Who decided is asked again only when the change is made.
    let how = match &request.upstream {
        Some(_) => format!("{how} against the policy as whynot has it"),
        None => how,
    };
    let (whose, passes) = match fix.policies.len() {
        _ if !is_partial => (String::new(), "all policies pass after it"),
        1 => (
            format!(" for {}", fix.policies.concat()),
            "it passes after it; the rest needs what is said above",
        ),
        many => {
            let whose = if many > MAX_NAMED {
                format!(" for the last {many} rules above")
            } else {
                format!(" for {}", fix.policies.join(" and "))
            };
            (whose, "they pass after it; the rest needs what is said above")
        }
    };
    let (on, place) = match &request.origin {
        Some(origin) if !fix.lifted.is_empty() => (
            format!(" on this {}", request.review.kind.kind),
            format!(", as it stands in {} {}", origin.kind, origin.name),
        ),
        _ => (String::new(), String::new()),
    };
    format!("{what}{whose} ({how}{on}: {passes}){place}:")
}

/// Paths as people write them, on one line.
fn listed(paths: &[String]) -> String {
    let mut shown: Vec<String> = paths.iter().take(MAX_PATHS).map(|path| path::human(path)).collect();
    if paths.len() > MAX_PATHS {
        shown.push(format!("{} more", paths.len() - MAX_PATHS));
    }
    shown.join(", ")
}
