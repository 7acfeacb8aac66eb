//! What can be done about each policy that objects, and about all of them together.

use serde_json::Value;

use super::author::{self, Said};
use super::change::{self, Action, Edit, Step};
use super::proof::{Aim, Proof};
use super::proven::finished;
use super::search::{Nothing, Search};
use super::texts::Image;
use super::{Effort, Fix, Remedies, Remedy, Source, reasons};
use crate::admission::{Operation, Review};
use crate::eval::PolicySet;
use crate::explain::wire::Decision;
use crate::verdict::{self, FailureKind, Verdict, Violation};

/// How many policies without a change of their own are tried again beside those of others.
const MAX_LEFT: usize = 3;

/// How many parts of what one policy says are tried by themselves.
const MAX_PARTS: usize = 12;

/// How often the policy set is evaluated for one review.
const MAX_EVALUATIONS: usize = 240;

/// Looks for the change after which as much as possible of a denied object passes.
pub fn prove(set: &PolicySet, review: &Review, verdict: &Verdict) -> Option<Fix> {
    remedies(set, review, verdict, Effort::ADMISSION).whole
}

/// Looks for what can be done about each policy that objects.
pub fn remedies(set: &PolicySet, review: &Review, verdict: &Verdict, effort: Effort) -> Remedies {
    let mut remedies = Remedies::default();
    if !effort.warnings && verdict.decision() != Decision::Deny {
        return remedies;
    }
    let aims = aims(verdict, effort);
    let before = review.request.get("object").unwrap_or_default();
    if !matches!(review.operation, Operation::Create | Operation::Update) || before.is_null() {
        let reason = format!(
            "The operation itself is refused: a {} changes nothing that could be edited.",
            review.operation.as_str()
        );
        for aim in aims {
            remedies.set(&aim, Remedy::Unfixable(reason.clone()));
        }
        return remedies;
    }
    for aim in &aims {
        remedies.set(aim, Remedy::Unknown);
    }
    // What reached a limit once would only take as long again.
    let is_slow = verdict
        .failures()
        .iter()
        .any(|failure| failure.kind == FailureKind::Limit);
    if is_slow {
        return remedies;
    }
    let mut proof = Proof::new(set, review, verdict, before.to_json());
    let mut made: Vec<Made<'_, '_>> = Vec::new();
    let mut left: Vec<&Aim<'_>> = Vec::new();
    for aim in &aims {
        if proof.is_over(MAX_EVALUATIONS) {
            break;
        }
        if effort.authors
            && let Some(reasons) = author::said(&proof, verdict, aim).refusal
        {
            let remedy = match reasons.as_slice() {
                [] => Remedy::Unknown,
                reasons => Remedy::Unfixable(reasons.join(" ")),
            };
            remedies.set(aim, remedy);
            continue;
        }
        match of_aim(&mut proof, verdict, aim, &[], effort) {
            Ok((edits, source)) => {
                let fix = finished(&mut proof, &edits, std::slice::from_ref(aim), source);
                remedies.set(aim, fix.map_or(Remedy::Unknown, |fix| Remedy::Fix(Box::new(fix))));
                made.push(Made {
                    aim,
                    edits: numbered(edits, made.len()),
                    source,
                });
            }
            Err(nothing) => {
                // Nothing that it needs was valid as the object is: another policy's change may make it so.
                if !nothing.tried && nothing.blame.is_none() && left.len() < MAX_LEFT {
                    left.push(aim);
                }
                let remedy = why_not(&mut proof, nothing, aim);
                remedies.set(aim, remedy);
                if aim.violations.len() > 1
                    && let Some((edits, source, fix)) = in_parts(&mut proof, verdict, aim, effort, &mut remedies)
                {
                    remedies.set(aim, Remedy::Fix(Box::new(fix)));
                    made.push(Made {
                        aim,
                        edits: numbered(edits, made.len()),
                        source,
                    });
                }
            }
        }
    }
    remedies.whole = together(&mut proof, verdict, &made, &left, effort);
    agree(&mut proof, &made, &mut remedies);
    remedies.evaluations = proof.evaluations();
    remedies
}

/// What counts of each policy that objects.
fn aims(verdict: &Verdict, effort: Effort) -> Vec<Aim<'_>> {
    let mut aims: Vec<Aim<'_>> = Vec::new();
    for violation in verdict.violations() {
        if !effort.warnings && violation.action != verdict::Action::Deny {
            continue;
        }
        match aims.iter_mut().find(|aim| aim.policy == violation.policy) {
            Some(aim) => aim.violations.push(violation),
            None => aims.push(Aim {
                policy: &violation.policy,
                violations: vec![violation],
                is_whole: true,
            }),
        }
    }
    aims
}

/// The edits for one policy, and who proposed them.
struct Made<'a, 'p> {
    aim: &'a Aim<'p>,
    edits: Vec<Edit>,
    source: Source,
}

/// The edits for one policy: its author's, else those that the search finds.
fn of_aim<'p>(
    proof: &mut Proof<'p>,
    verdict: &Verdict,
    aim: &Aim<'p>,
    made: &[Edit],
    effort: Effort,
) -> Result<(Vec<Edit>, Source), Nothing> {
    let mut said = Said::default();
    if effort.authors {
        said = author::said(proof, verdict, aim);
    }
    let mut all = made.to_vec();
    all.append(&mut said.edits);
    let after = change::apply(proof.before(), &all);
    if let Some((after, operations)) = after
        && all.len() > made.len()
        && !operations.is_empty()
        && all
            .iter()
            .all(|edit| proof.may_change(&change::names(&edit.path)) && !proof.hides(edit))
        && crate::schema::new_problems(&proof.review().kind, proof.before(), &after).is_empty()
    {
        let trial = proof.trial(&after, aim);
        if trial.holds && said.is_whole {
            return Ok((all, Source::Author));
        }
        // What is left is searched on top of what the author proposes.
        if let Ok(found) = Search::new(proof, aim).advised(said.advice.clone()).run(&all) {
            return Ok((found.edits, Source::Search));
        }
    }
    let found = Search::new(proof, aim).advised(said.advice).run(made)?;
    Ok((found.edits, Source::Search))
}

/// Why no edit helps, as far as that can be found out.
fn why_not(proof: &mut Proof<'_>, nothing: Nothing, aim: &Aim<'_>) -> Remedy {
    let review = proof.review();
    let known = reasons::of(nothing, review)
        .or_else(|| reasons::contradiction(proof, aim))
        .or_else(|| reasons::emptiness(proof, aim));
    let reason = match known {
        None if !proof.is_over(MAX_EVALUATIONS) => reasons::found_out(proof, aim),
        known => known,
    };
    let reason = reason.or_else(|| reasons::standing_in_the_way(nothing));
    reason.map_or(Remedy::Unknown, Remedy::Unfixable)
}

/// A policy that says several things, not all of which can be mended: one change for as many as it can be for, and for each of
/// the others why none helps. When after all one is for everything, it is returned.
fn in_parts<'p>(
    proof: &mut Proof<'p>,
    verdict: &Verdict,
    aim: &Aim<'p>,
    effort: Effort,
    remedies: &mut Remedies,
) -> Option<(Vec<Edit>, Source, Fix)> {
    let mut unmended: Vec<(Vec<&'p Violation>, Remedy)> = Vec::new();
    let mut best: Option<(Vec<Edit>, Source, Fix)> = None;
    let middle = aim.violations.len() / 2;
    let (later, first) = (aim.violations.get(middle..), aim.violations.get(..middle));
    // Halves of halves, in the policy's order: what cannot be mended is hardly ever more than one.
    let mut waiting: Vec<Vec<&'p Violation>> = [later, first].into_iter().flatten().map(<[_]>::to_vec).collect();
    let mut mended: Vec<&'p Violation> = Vec::new();
    let mut tried = 0;
    while let Some(part) = waiting.pop() {
        let mut wanted = mended.clone();
        wanted.extend(&part);
        let own = aim.part(&wanted);
        let before = best.as_ref().map_or(&[][..], |(edits, _, _)| edits);
        tried += 1;
        let found = if !proof.is_over(MAX_EVALUATIONS) && tried <= MAX_PARTS {
            of_aim(proof, verdict, &own, before, effort)
        } else {
            Err(Nothing::default())
        };
        match found {
            Ok((edits, source)) => match finished(proof, &edits, std::slice::from_ref(&own), source) {
                Some(fix) => (mended, best) = (wanted, Some((edits, source, fix))),
                None => unmended.push((part, Remedy::Unknown)),
            },
            Err(_) if part.len() > 1 && tried <= MAX_PARTS => {
                let (first, later) = part.split_at(part.len() / 2);
                waiting.extend([later.to_vec(), first.to_vec()]);
            }
            Err(nothing) => {
                let remedy = why_not(proof, nothing, &aim.part(&part));
                unmended.push((part, remedy));
            }
        }
    }
    if unmended.is_empty() {
        return best;
    }
    let (_, _, fix) = best?;
    let reason = reasons::of_rest(&fix, &unmended);
    remedies
        .policies
        .insert(aim.policy.to_owned(), Remedy::Unfixable(reason));
    unmended.push((mended, Remedy::Fix(Box::new(fix))));
    let each = unmended.into_iter().map(|(violations, remedy)| {
        let violations: Vec<Violation> = violations.into_iter().cloned().collect();
        (violations, remedy)
    });
    remedies.partly.extend(each);
    None
}

/// One change for all policies that have one; where they do not fit together, one after the other. Then those that have none
/// alone, since a change for another may be what theirs needs: a privileged container cannot refuse more rights.
fn together<'p>(
    proof: &mut Proof<'p>,
    verdict: &Verdict,
    made: &[Made<'_, 'p>],
    left: &[&Aim<'p>],
    effort: Effort,
) -> Option<Fix> {
    let by_authors = made.iter().all(|made| made.source == Source::Author);
    let source = if by_authors { Source::Author } else { Source::Search };
    let mut edits: Vec<Edit> = Vec::new();
    for edit in made.iter().flat_map(|made| &made.edits) {
        if !edits.contains(edit) {
            edits.push(edit.clone());
        }
    }
    let aims: Vec<Aim<'p>> = made.iter().map(|made| made.aim.clone()).collect();
    if aims.is_empty() {
        return None;
    }
    let mut kept: Vec<Aim<'p>> = Vec::new();
    let mut best = finished(proof, &edits, &aims, source);
    // Together they do not hold: one after the other, each with those before it in place.
    let apart = if best.is_some() { &[] } else { made };
    if best.is_some() {
        kept = aims;
    } else {
        edits = Vec::new();
    }
    for made in apart {
        if proof.is_over(MAX_EVALUATIONS) {
            break;
        }
        let mut all = edits.clone();
        all.extend(made.edits.iter().filter(|edit| !edits.contains(edit)).cloned());
        kept.push(made.aim.clone());
        if let Some(fix) = finished(proof, &all, &kept, made.source) {
            (best, edits) = (Some(fix), all);
            continue;
        }
        let again = of_aim(proof, verdict, made.aim, &edits, effort).ok();
        match again.and_then(|(all, source)| Some((finished(proof, &all, &kept, source)?, all))) {
            Some((fix, all)) => (best, edits) = (Some(fix), all),
            None => {
                kept.pop();
            }
        }
    }
    for &aim in left {
        if best.is_none() || proof.is_over(MAX_EVALUATIONS) {
            break;
        }
        let Ok((all, found)) = of_aim(proof, verdict, aim, &edits, effort) else {
            continue;
        };
        kept.push(aim.clone());
        let source = if found == source { source } else { Source::Search };
        match finished(proof, &all, &kept, source) {
            Some(fix) => (best, edits) = (Some(fix), all),
            None => {
                kept.pop();
            }
        }
    }
    best
}

/// What one policy leaves open and another does not is said once: a policy's own change has the texts of the whole one, where it
/// holds with them. Two names for one thing, and nobody would know which.
fn agree(proof: &mut Proof<'_>, made: &[Made<'_, '_>], remedies: &mut Remedies) {
    let Some(whole) = remedies.whole.clone() else { return };
    for Made { aim, edits, source } in made {
        let is_part = whole.policies().iter().any(|policy| policy == aim.policy);
        let mut other = edits.clone();
        for edit in &mut other {
            let (Some(path), Action::Set(Value::String(own))) = (change::pointer(&edit.path), &edit.action) else {
                continue;
            };
            let Some(text) = whole.text_at(&path).filter(|text| text != own) else {
                continue;
            };
            // The same image, said more exactly for another policy: this one does not ask for that.
            let is_image = edit.path.last() == Some(&Step::Key("image".to_owned()));
            if is_image && Image::parse(text).name() == Image::parse(own).name() {
                continue;
            }
            edit.placeholder = whole.meaning_at(&path).map(str::to_owned);
            edit.action = Action::Set(Value::String(text.to_owned()));
        }
        if is_part
            && other != *edits
            && !proof.is_over(MAX_EVALUATIONS)
            && let Some(fix) = finished(proof, &other, std::slice::from_ref(*aim), *source)
        {
            remedies.set(aim, Remedy::Fix(Box::new(fix)));
        }
    }
}

/// Edits whose new elements are told from those of other policies.
fn numbered(mut edits: Vec<Edit>, place: usize) -> Vec<Edit> {
    let offset = u32::try_from(place).unwrap_or(0).saturating_mul(100_000);
    for step in edits.iter_mut().flat_map(|edit| &mut edit.path) {
        if let Step::New(id) = step {
            *id = id.saturating_add(offset);
        }
    }
    edits
}

#[cfg(test)]
mod tests;
