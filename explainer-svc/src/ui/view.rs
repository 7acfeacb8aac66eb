//! An explanation in the terms of its page. Text is made harmless here; the template escapes it.

use engine::explain::wire::{Decision, ExplainRequest, FixSummary, ReviewSummary};
use engine::explain::{path, why};
use engine::fix::{Class, Source};
use engine::redact;
use engine::verdict::{Action, FailureKind, Found, Severity, Violation};

use crate::ledger::UNKNOWN_TEAM;
use crate::store::Explanation;

/// What a page shows of one line, in characters, and of a longer text, in bytes: more than anybody writes who means it.
const MAX_LINE: usize = 4096;
const MAX_TEXT: usize = 65_536;

#[derive(Debug)]
pub(super) struct Page {
    pub(super) is_denied: bool,
    pub(super) what: String,
    pub(super) denials: Option<Section>,
    /// Warnings, and what is only recorded.
    pub(super) sections: Vec<Section>,
    pub(super) failures: Vec<Failure>,
    pub(super) origin: String,
    pub(super) fix: Option<Fix>,
    pub(super) repeats: Vec<String>,
    pub(super) message: String,
    /// What a model said.
    pub(super) words: Option<Words>,
    /// Another webhook decided: its name and its own words.
    pub(super) upstream: Option<(String, String)>,
    pub(super) facts: Vec<(&'static str, String)>,
}

/// A model's words, called that.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) model: String,
    pub(super) prompt: String,
    pub(super) text: String,
    pub(super) steps: Vec<String>,
}

/// The violations of one action.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) violations: Vec<Item>,
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) title: String,
    pub(super) policy: String,
    pub(super) severity: &'static str,
    pub(super) message: String,
    pub(super) found: Vec<String>,
    pub(super) why: String,
    /// The reason is the rule's own.
    pub(super) is_authors_reason: bool,
    pub(super) remediation: String,
    /// Why no edit of the object helps.
    pub(super) unfixable: String,
    /// Nothing was found, and no reason is known.
    pub(super) is_open: bool,
    pub(super) example: String,
    pub(super) links: Vec<Link>,
    pub(super) controls: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) text: String,
    /// Empty when it is no address for a browser: a policy's text must not become a script.
    pub(super) href: String,
}

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) policy: String,
    pub(super) what: &'static str,
    pub(super) detail: String,
    pub(super) tolerated: bool,
}

#[derive(Debug)]
pub(super) struct Fix {
    pub(super) title: &'static str,
    pub(super) snippet: Vec<Line>,
    /// The snippet for the place that makes the object, and that place.
    pub(super) lifted: Vec<Line>,
    pub(super) place: String,
    pub(super) diff: String,
    pub(super) kubectl: String,
    pub(super) patch: String,
    pub(super) policies: String,
    /// A model proposed it.
    pub(super) is_by_model: bool,
    pub(super) complete: bool,
    /// Checked with an example in place of what is to be filled in.
    pub(super) has_examples: bool,
    pub(super) placeholders: Vec<(String, String)>,
    pub(super) notes: Vec<String>,
}

/// A line of a snippet, with its line feed.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) text: String,
    /// A person fills something in here.
    pub(super) is_marked: bool,
}

pub(super) fn page(explanation: &Explanation) -> Page {
    let Explanation {
        id: _,
        at: _,
        last_seen: _,
        attempts: _,
        team: _,
        request,
        message,
        warnings: _,
        repeats,
        source: _,
        words,
    } = explanation;
    let section = |action, title| {
        let violations: Vec<Item> = request
            .with_action(action)
            .map(|violation| item(request, violation))
            .collect();
        (!violations.is_empty()).then_some(Section { title, violations })
    };
    let sections = [section(Action::Warn, "Warnings"), section(Action::Audit, "Recorded")];
    let failures = request.failures.iter().map(|failure| Failure {
        policy: line(&failure.policy),
        what: match failure.kind {
            FailureKind::Undefined => "did not come to a result",
            FailureKind::Shape => "came to a result that is not a set of violations",
            FailureKind::Limit => "reached a limit",
            FailureKind::Error => "stopped with an error",
            FailureKind::Context => "lacked what it has to know of the cluster",
        },
        detail: text(&failure.detail),
        tolerated: failure.tolerated,
    });
    let repeats = repeats.iter().filter(|repeat| repeat.count > 1).map(|repeat| {
        let (team, policy) = (line(&repeat.team), line(&repeat.policy));
        format!(
            "Team {team} hit {policy} {} times in the last {} days.",
            repeat.count, repeat.window_days
        )
    });
    Page {
        is_denied: request.decision == Decision::Deny,
        what: what(&request.review),
        denials: section(Action::Deny, "Denied because"),
        sections: sections.into_iter().flatten().collect(),
        failures: failures.collect(),
        origin: request
            .origin
            .as_ref()
            .map(|origin| line(&origin.text))
            .unwrap_or_default(),
        fix: request
            .fix
            .as_ref()
            .or_else(|| words.as_ref().and_then(|words| words.fix.as_ref()))
            .map(|summary| fix(request, summary)),
        repeats: repeats.collect(),
        message: text(message),
        words: words
            .as_ref()
            .filter(|words| !words.text.is_empty())
            .map(|words| Words {
                model: line(&words.model),
                prompt: line(&words.prompt.to_string()),
                text: text(&words.text),
                steps: words.steps.iter().map(|step| line(step)).collect(),
            }),
        upstream: request
            .upstream
            .as_ref()
            .map(|upstream| (line(&upstream.webhook), text(&upstream.message))),
        facts: facts(explanation),
    }
}

fn fix(request: &ExplainRequest, fix: &FixSummary) -> Fix {
    let paths = |label: &str, paths: &[String]| {
        let paths: Vec<String> = paths.iter().map(|path| line(&path::human(path))).collect();
        (!paths.is_empty()).then(|| format!("{label}: {}", paths.join(", ")))
    };
    let policies: Vec<String> = fix.policies.iter().map(|policy| line(policy)).collect();
    let place = request.origin.as_ref().filter(|_| !fix.lifted.is_empty());
    let placeholders = fix
        .placeholders
        .iter()
        .map(|placeholder| (line(&path::human(&placeholder.path)), line(&placeholder.meaning)));
    Fix {
        title: match fix.class {
            Class::Fix => "Fix",
            Class::Placeholder => "Fill in the marked values",
        },
        snippet: marked(&fix.snippet),
        lifted: marked(&fix.lifted),
        place: place
            .map(|place| line(&format!("{} {}", place.kind, place.name)))
            .unwrap_or_default(),
        diff: text(&fix.diff),
        kubectl: text(&fix.kubectl),
        patch: text(&serde_json::to_string_pretty(&fix.patch).unwrap_or_default()),
        policies: policies.join(", "),
        is_by_model: fix.source == Source::Model,
        complete: fix.complete,
        has_examples: fix.class == Class::Placeholder,
        placeholders: placeholders.collect(),
        notes: [paths("Removes", &fix.removes), paths("Gives more access", &fix.widens)]
            .into_iter()
            .flatten()
            .collect(),
    }
}

/// The lines of a snippet. A mark may stand above its line, as comments.
fn marked(snippet: &str) -> Vec<Line> {
    let mut is_below = false;
    let lines = text(snippet);
    let lines = lines.lines().map(|line| {
        let is_comment = line.trim_start().trim_start_matches("- ").starts_with('#');
        let is_here = line.contains("# fill in: ");
        let is_marked = is_here || is_below;
        is_below = is_comment && is_marked;
        Line {
            text: format!("{line}\n"),
            is_marked,
        }
    });
    lines.collect()
}

/// Operation, kind and name in a few words: `create Pod shop/web`.
fn what(review: &ReviewSummary) -> String {
    let name = match (review.name.as_str(), review.generate_name.as_str()) {
        ("", "") => "(without a name)".to_owned(),
        ("", prefix) => format!("{prefix}…"),
        (name, _) => name.to_owned(),
    };
    let place = if review.namespace.is_empty() {
        name
    } else {
        format!("{}/{name}", review.namespace)
    };
    let sub = if review.sub_resource.is_empty() {
        String::new()
    } else {
        format!(" ({})", review.sub_resource)
    };
    line(&format!(
        "{} {}{sub} {place}",
        review.operation.to_lowercase(),
        review.kind.kind
    ))
}

fn facts(explanation: &Explanation) -> Vec<(&'static str, String)> {
    let Explanation {
        id,
        at,
        last_seen,
        attempts,
        team,
        request,
        ..
    } = explanation;
    let review = &request.review;
    let mut facts = vec![
        (
            "Team",
            if team == UNKNOWN_TEAM {
                "unknown (no label names it)".to_owned()
            } else {
                line(team)
            },
        ),
        ("User", line(&review.username)),
        ("Tool", line(&review.field_manager)),
        (
            "Made by",
            review
                .owner
                .as_ref()
                .map(|owner| line(&format!("{} {}", owner.kind, owner.name)))
                .unwrap_or_default(),
        ),
        (
            "Dry run",
            if review.dry_run {
                "yes".to_owned()
            } else {
                String::new()
            },
        ),
        ("Time", time(*at)),
    ];
    if *attempts > 1 {
        facts.push(("Last retry", time(*last_seen)));
        facts.push(("Attempts", format!("{attempts} (a controller's retries, counted once)")));
    }
    facts.push(("Policies' revision", line(&request.revision)));
    facts.push(("Explanation", line(id)));
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn item(request: &ExplainRequest, violation: &Violation) -> Item {
    let title = if violation.title.is_empty() {
        &violation.policy
    } else {
        &violation.title
    };
    let reason = why::reason(request, violation);
    Item {
        title: line(title),
        policy: line(&violation.policy),
        severity: match violation.severity {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        },
        message: text(&violation.message),
        found: violation.found.iter().map(|place| found(request, place)).collect(),
        why: text(reason.text),
        is_authors_reason: reason.is_authors,
        remediation: text(&violation.remediation),
        unfixable: request
            .unfixable
            .get(&violation.policy)
            .map(|reason| text(reason))
            .unwrap_or_default(),
        is_open: is_open(request, violation),
        example: text(&violation.example),
        links: violation
            .links
            .iter()
            .map(|link| self::link(&link.description, &link.reference))
            .collect(),
        controls: violation.controls.iter().map(|control| line(control)).collect(),
    }
}

/// A fix was looked for, and neither one nor a reason why there is none was found. What only warns is not searched for.
fn is_open(request: &ExplainRequest, violation: &Violation) -> bool {
    let is_fixed = request
        .fix
        .as_ref()
        .is_some_and(|fix| fix.policies.contains(&violation.policy));
    violation.action == Action::Deny && !is_fixed && !request.unfixable.contains_key(&violation.policy)
}

/// A field as in the terminal: `spec.containers[0].image: "nginx"`. Nothing is said of a value that is not there or not shown.
fn found(request: &ExplainRequest, found: &Found) -> String {
    let place = path::human(&found.path);
    let default = if request.defaulted.contains(&found.path) {
        " (the default; nobody wrote it)"
    } else {
        ""
    };
    line(
        &found
            .value
            .as_ref()
            .map_or_else(|| place.clone(), |value| format!("{place}: {value}{default}")),
    )
}

fn link(description: &str, reference: &str) -> Link {
    let is_web = ["https://", "http://"].iter().any(|scheme| {
        reference
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let reference = line(reference);
    let text = match line(description) {
        description if description.is_empty() => reference.clone(),
        description if is_web => description,
        description => format!("{description}: {reference}"),
    };
    Link {
        text,
        href: if is_web { reference } else { String::new() },
    }
}

fn time(milliseconds: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// One line of harmless text.
fn line(raw: &str) -> String {
    redact::line(raw, MAX_LINE)
}

/// Several lines of harmless text.
fn text(raw: &str) -> String {
    redact::lines(raw, MAX_TEXT)
}
