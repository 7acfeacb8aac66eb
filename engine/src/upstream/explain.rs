//! A denial of another webhook in words, with what the policy set knows of the policies that it names.

use std::collections::{BTreeMap, BTreeSet};

use json_patch::Patch;

use super::items::{self, Item};
use super::paths;
use crate::admission::Review;
use crate::eval::{Policy, PolicySet};
use crate::explain::summary;
use crate::explain::wire::{Decision, ExplainRequest, FixSummary, Upstream};
use crate::fix::{self, Effort, Remedies, Unproven};
use crate::policy::compile::PolicyMeta;
use crate::redact;
use crate::verdict::{Action, Verdict, Violation};

/// How much of the webhook's own words is recorded, in bytes.
const MAX_RECORDED: usize = 32 * 1024;

/// How much of one of its messages is recorded, in bytes.
const MAX_MESSAGE: usize = 4 * 1024;

/// How much is done to explain a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What the text says and what the policies' authors wrote: nothing is evaluated.
    Words,
    /// Also the policies of the same names, on the review, and a change after which they pass.
    Proof,
}

/// What can be said about another webhook's denial.
#[derive(Debug, Clone)]
pub struct Explained {
    /// For the explainer, and for [`crate::explain::text::render`].
    pub request: ExplainRequest,
    /// The changes that were tried, by the policy set's own ids.
    pub remedies: Remedies,
}

/// What one item's policy is in the policy set.
struct Known<'s> {
    policy: &'s Policy,
    /// It says of this review what the webhook said.
    agrees: bool,
}

/// Explains what the webhook of this name said about a review. The denial is not questioned.
pub fn explain(set: &PolicySet, review: &Review, webhook: &str, message: &str, depth: Depth) -> Explained {
    let mut items = items::parse(message);
    for item in &mut items {
        let clean = redact::lines(&item.message, MAX_MESSAGE);
        clean.trim().clone_into(&mut item.message);
    }
    items.retain(|item| !item.message.is_empty());
    let named = named(set, &items);
    let (asked, verdict) = match depth {
        Depth::Proof if !named.is_empty() => ask(set, review, &items, &named),
        Depth::Proof | Depth::Words => (set.clone(), nothing(set)),
    };
    let known = known(set, &verdict, &items, &named);
    let agreeing: BTreeSet<&str> = known
        .values()
        .filter(|known| known.agrees)
        .map(|known| known.policy.meta.id.as_str())
        .collect();
    let remedies = if agreeing.is_empty() {
        Remedies::default()
    } else {
        fix::remedies(&asked, review, &verdict, Effort::ADMISSION)
    };
    let mut request = summary::request(&asked, review, &verdict, &remedies, 0);
    request.decision = Decision::Deny;
    request.failures.clear();
    request.violations = items
        .iter()
        .map(|item| violation(review, &verdict, webhook, item, known.get(item.policy.as_str())))
        .collect();
    if request.violations.is_empty() {
        let silent = Item {
            message: "The webhook denied the request and gave no reason.".to_owned(),
            ..Item::default()
        };
        request
            .violations
            .push(violation(review, &verdict, webhook, &silent, None));
    }
    rename(&mut request, webhook, &known, &items);
    for item in &mut items {
        item.known = known.get(item.policy.as_str()).is_some_and(|known| known.agrees);
    }
    request.upstream = Some(Upstream {
        webhook: redact::line(webhook, 200),
        message: redact::lines(message, MAX_RECORDED),
        items,
    });
    Explained { request, remedies }
}

/// Tries a change that somebody else proposes for what the webhook denied, against the policies that say the same.
///
/// # Errors
/// Why it is no fix.
pub fn verify(
    set: &PolicySet,
    review: &Review,
    webhook: &str,
    message: &str,
    patch: &Patch,
) -> Result<FixSummary, Unproven> {
    let items = items::parse(message);
    let named = named(set, &items);
    let (asked, verdict) = match named.as_slice() {
        [] => return Err(Unproven::NothingToChange),
        named => ask(set, review, &items, named),
    };
    let known = known(set, &verdict, &items, &named);
    let fix = fix::verify(&asked, review, &verdict, patch)?;
    let mut request = summary::request(&asked, review, &verdict, &Remedies::default(), 0);
    request.fix = Some(summary::of_fix(&asked, review, &fix));
    rename(&mut request, webhook, &known, &items);
    request.fix.ok_or(Unproven::NothingToChange)
}

/// Places of the policies with the name of an item: their own id, or a constraint's name.
fn named(set: &PolicySet, items: &[Item]) -> Vec<usize> {
    let is_named = |policy: &Policy| items.iter().any(|item| is_called(policy, &item.policy));
    let places = set.policies().iter().enumerate();
    places
        .filter(|(_, policy)| is_named(policy))
        .map(|(place, _)| place)
        .collect()
}

/// Constraints are called by their name; their kind, which is in the id, is not told.
fn is_called(policy: &Policy, name: &str) -> bool {
    let id = policy.meta.id.as_str();
    let constraint = id
        .strip_suffix(name)
        .is_some_and(|kind| kind.ends_with('/') && kind.matches('/').count() == 1);
    !name.is_empty() && (id == name || (policy.is_constraint() && constraint))
}

/// The policies of the items evaluated as if they denied, and only those that say the same as the webhook.
fn ask(set: &PolicySet, review: &Review, items: &[Item], named: &[usize]) -> (PolicySet, Verdict) {
    let all = set.accused(named);
    let verdict = all.evaluate(review);
    let agrees = |place: &&usize| {
        let policy = set.policies().get(**place);
        policy.is_some_and(|policy| {
            items
                .iter()
                .any(|item| is_called(policy, &item.policy) && says(&verdict, policy, items))
        })
    };
    let agreeing: Vec<usize> = named.iter().filter(agrees).copied().collect();
    if agreeing.len() == named.len() {
        return (all, verdict);
    }
    let fewer = set.accused(&agreeing);
    let verdict = fewer.evaluate(review);
    (fewer, verdict)
}

/// Whether a policy says all that the webhook says in its name.
fn says(verdict: &Verdict, policy: &Policy, items: &[Item]) -> bool {
    let mut mine = items.iter().filter(|item| is_called(policy, &item.policy)).peekable();
    mine.peek().is_some() && mine.all(|item| violation_of(verdict, policy, item).is_some())
}

fn violation_of<'v>(verdict: &'v Verdict, policy: &Policy, item: &Item) -> Option<&'v Violation> {
    let same = |text: &str| redact::line(text, MAX_MESSAGE) == redact::line(&item.message, MAX_MESSAGE);
    verdict
        .violations()
        .find(|violation| violation.policy == policy.meta.id && same(&violation.message))
}

fn nothing(set: &PolicySet) -> Verdict {
    Verdict::new(set.revision().to_owned(), Vec::new(), Vec::new(), 0)
}

/// What the policy set knows of the items' policies, by their names. Of several with one name, the one that agrees.
fn known<'s>(set: &'s PolicySet, verdict: &Verdict, items: &[Item], named: &[usize]) -> BTreeMap<String, Known<'s>> {
    let mut known: BTreeMap<String, Known<'s>> = BTreeMap::new();
    for policy in named.iter().filter_map(|place| set.policies().get(*place)) {
        let agrees = says(verdict, policy, items);
        for item in items.iter().filter(|item| is_called(policy, &item.policy)) {
            let best = known.get(&item.policy);
            if best.is_none_or(|best| agrees && !best.agrees) {
                known.insert(item.policy.clone(), Known { policy, agrees });
            }
        }
    }
    known
}

/// The id under which a webhook's policy is counted.
fn id(webhook: &str, policy: &str) -> String {
    match policy {
        "" => format!("webhook/{webhook}"),
        name => format!("webhook/{webhook}/{name}"),
    }
}

fn violation(review: &Review, verdict: &Verdict, webhook: &str, item: &Item, known: Option<&Known<'_>>) -> Violation {
    let own = known.and_then(|known| violation_of(verdict, known.policy, item));
    let mut found = own.map(|own| own.found.clone()).unwrap_or_default();
    if found.is_empty() {
        found = paths::found(&item.message, &review.kind.kind, &review.object());
    }
    let nobody = PolicyMeta::default();
    let meta = known.map_or(&nobody, |known| &known.policy.meta);
    let decided = format!("The webhook {webhook} decided this");
    let (why, hint) = match known {
        None if item.policy.is_empty() => (format!("{decided}; its message names no policy."), ask_them(webhook)),
        None => (
            format!(
                "{decided}, by its own policy {}, which whynot does not have.",
                item.policy
            ),
            ask_them(webhook),
        ),
        Some(known) if known.agrees => (meta.why.clone(), meta.custom.remediation.trim().to_owned()),
        Some(_) => {
            let differs = "What whynot has of this policy was not found to say the same here, so no change was tried.";
            let own = meta.custom.remediation.trim();
            let hint = if own.is_empty() {
                ask_them(webhook)
            } else {
                own.to_owned()
            };
            let why = meta.why.trim();
            (format!("{why}{}{differs}", if why.is_empty() { "" } else { " " }), hint)
        }
    };
    Violation {
        policy: id(webhook, &item.policy),
        action: Action::Deny,
        severity: meta.custom.severity,
        title: meta.title.clone(),
        message: item.message.clone(),
        found,
        why,
        remediation: hint,
        example: meta.custom.example.clone(),
        links: meta.links.clone(),
        controls: meta.custom.controls.clone(),
    }
}

fn ask_them(webhook: &str) -> String {
    format!("Change what the message names, or ask those who run the webhook {webhook}.")
}

/// The policy set's own ids become those under which the webhook's policies are counted. A change is for all of the denial only
/// when each part of it was tried.
fn rename(request: &mut ExplainRequest, webhook: &str, known: &BTreeMap<String, Known<'_>>, items: &[Item]) {
    let agreeing = |own: &str| {
        known
            .iter()
            .find(|(_, known)| known.agrees && known.policy.meta.id == own)
            .map(|(name, _)| id(webhook, name))
    };
    let is_whole = !items.is_empty()
        && items
            .iter()
            .all(|item| known.get(&item.policy).is_some_and(|known| known.agrees));
    if let Some(fix) = &mut request.fix {
        fix.policies = fix.policies.iter().filter_map(|own| agreeing(own)).collect();
        fix.complete &= is_whole;
    }
    request.fix.take_if(|fix| fix.policies.is_empty());
    let unfixable = std::mem::take(&mut request.unfixable);
    request.unfixable = unfixable
        .into_iter()
        .filter_map(|(own, reason)| Some((agreeing(&own)?, reason)))
        .collect();
    // What the policies of the set find beside it was told on its own.
    let places: BTreeSet<&str> = request
        .violations
        .iter()
        .flat_map(|violation| &violation.found)
        .map(|found| found.path.as_str())
        .collect();
    request.defaulted.retain(|path| places.contains(path.as_str()));
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
