//! The changes that are written beside the cases of the policy library: everything denied has one, and each of them passes.

#![cfg(test)]
#![cfg(not(target_arch = "wasm32"))]

#[path = "support/library.rs"]
mod library;

use engine::admission::Review;
use engine::cases::{self, Case, Class, Expect, Expectation, Variant};
use engine::eval::PolicySet;
use engine::policy;

#[test]
fn everything_denied_has_a_change_that_passes() {
    let mut problems = Vec::new();
    let mut written = 0;
    for policy in library::load() {
        for (file, case) in &policy.cases {
            written += usize::from(case.fix.is_some());
            let objections = objections(case, &policy.id, &policy.text);
            problems.extend(
                objections
                    .iter()
                    .map(|problem| format!("{file}: {}: {problem}", case.name)),
            );
        }
    }
    assert!(
        problems.is_empty(),
        "{} problems\n{}",
        problems.len(),
        problems.join("\n")
    );
    assert!(written >= 227, "{written} cases with a written change");
}

fn objections(case: &Case, id: &str, text: &str) -> Vec<String> {
    let denied = matches!(case.expect, Expect::Deny | Expect::Warn | Expect::Audit);
    let Some(fix) = &case.fix else {
        return if denied {
            vec!["no fix is written".to_owned()]
        } else {
            Vec::new()
        };
    };
    if !denied {
        return vec!["a fix is written, and nothing is denied".to_owned()];
    }
    let mut problems = shape(fix);
    if fix.class == Class::None {
        return problems;
    }
    let set = match case.policy_set(id, &format!("{id}/policy.rego"), text) {
        Ok(set) => set,
        Err(problems) => return vec![policy::list(&problems)],
    };
    match case.variants() {
        Ok(variants) => problems.extend(variants.iter().flat_map(|variant| not_right(variant, fix, &set))),
        Err(error) => problems.push(error),
    }
    problems
}

/// Whether the class and what is written beside it belong together.
fn shape(fix: &Expectation) -> Vec<String> {
    let rules = match fix.class {
        Class::None => vec![
            (!fix.reason.is_empty(), "no reason is given why nothing helps"),
            (
                fix.patch.is_empty() && fix.or.is_empty(),
                "nothing helps, and there is a patch",
            ),
            (
                fix.any.is_empty() && fix.like.is_empty(),
                "nothing helps, and values are left open",
            ),
        ],
        Class::Placeholder => vec![
            (fix.reason.is_empty(), "a reason is for the class none"),
            (!fix.any.is_empty(), "`any` does not name the placeholder"),
        ],
        Class::Fix => vec![(fix.reason.is_empty(), "a reason is for the class none")],
    };
    let open = fix.like.keys().all(|path| fix.any.contains(path));
    let rules = rules
        .into_iter()
        .chain([(open, "`like` has a path that `any` has not")]);
    rules
        .filter(|(kept, _)| !kept)
        .map(|(_, problem)| problem.to_owned())
        .collect()
}

/// What speaks against the written changes, for one kind.
fn not_right(variant: &Variant<'_>, fix: &Expectation, set: &PolicySet) -> Vec<String> {
    let object = variant.object();
    let changed = match fix.after(&object, variant.workload()) {
        Ok(changed) => changed,
        Err(error) => return vec![format!("{}: a patch does not apply: {error}", variant.name)],
    };
    let mut problems = Vec::new();
    for (index, after) in changed.iter().enumerate() {
        let mut object_to = |problem: String| problems.push(format!("{}: change {index}: {problem}", variant.name));
        if *after == object {
            object_to("changes nothing".to_owned());
        }
        if changed.iter().take(index).any(|before| before == after) {
            object_to("is there twice".to_owned());
        }
        match fix.accepts(&object, after, variant.workload()) {
            Ok(true) => {}
            Ok(false) => object_to("is not like `like`".to_owned()),
            Err(error) => object_to(error),
        }
        let bytes = variant.review_json_of(after.clone()).to_string().into_bytes();
        let verdict = set.evaluate(&Review::parse(&bytes).unwrap());
        if cases::outcome(&verdict) != Expect::Allow {
            let messages: Vec<&str> = verdict
                .violations()
                .map(|violation| violation.message.as_str())
                .collect();
            object_to(format!("does not pass: {messages:?} {:?}", verdict.failures()));
        }
    }
    let any = fix
        .any
        .iter()
        .map(|path| variant.workload().map_or(path.clone(), |w| w.lift(path)));
    let nowhere = any.filter(|path| !changed.iter().any(|after| after.pointer(path).is_some()));
    problems.extend(nowhere.map(|path| format!("{}: no change has {path}, which `any` names", variant.name)));
    problems
}
