//! Makes what fails small enough to be read.

use engine::context::Context;
use engine::eval::PolicySet;
use engine::policy::bundle::Bundle;
use engine::policy::compile;
use serde_json::Value;

use crate::generate::Round;
use crate::{Looked, look};

/// Reviews that are tried.
const PATIENCE: usize = 600;

/// The smallest policies and review with the same exception.
pub(crate) fn smallest(mut round: Round, mut review: Value, looked: Looked) -> (Round, Value, Looked) {
    let (effort, what) = (looked.effort, kind_of(&looked));
    let mut best = looked;
    for name in round.policies.clone() {
        let bundle = without(&round.bundle, &name);
        let Some(sets) = compiled(&bundle, &round.context) else {
            continue;
        };
        let looked = look(&bundle, &sets, &review, effort);
        if kind_of(&looked) == what {
            round.bundle = bundle;
            round.policies.retain(|policy| *policy != name);
            best = looked;
        }
    }
    let Some(sets) = compiled(&round.bundle, &round.context) else {
        return (round, review, best);
    };
    let mut tries = 0;
    'again: loop {
        for part in ["oldObject", "object"] {
            for smaller in smaller(&review["request"][part]) {
                tries += 1;
                if tries > PATIENCE {
                    return (round, review, best);
                }
                let mut candidate = review.clone();
                candidate["request"][part] = smaller;
                let looked = look(&round.bundle, &sets, &candidate, effort);
                if kind_of(&looked) == what {
                    (review, best) = (candidate, looked);
                    continue 'again;
                }
            }
        }
        return (round, review, best);
    }
}

/// The first exception without what is different each time: numbers and quoted texts.
pub(crate) fn kind_of(looked: &Looked) -> String {
    let text = looked.exceptions.first().map_or("", |exception| &exception.what);
    let (what, _) = text.split_once(": ").unwrap_or((text, ""));
    what.to_owned()
}

pub(crate) fn compiled(bundle: &Bundle, context: &Context) -> Option<[PolicySet; 2]> {
    let compile = || compile::compile(bundle, context.clone()).ok();
    Some([compile()?, compile()?])
}

fn without(bundle: &Bundle, policy: &str) -> Bundle {
    let mut settings = bundle.settings.clone();
    settings.policies.remove(policy);
    let others = bundle
        .files
        .iter()
        .filter(|file| !file.path.starts_with(&format!("{policy}/")));
    Bundle::new(
        settings,
        others
            .map(|file| (file.path.clone(), file.text.clone()))
            .collect::<Vec<_>>(),
    )
}

/// The document without one of its parts, the largest first.
fn smaller(value: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    match value {
        Value::Object(members) => {
            for key in members.keys() {
                let mut members = members.clone();
                members.remove(key);
                found.push(Value::Object(members));
            }
            for (key, member) in members {
                found.extend(smaller(member).into_iter().map(|member| {
                    let mut members = members.clone();
                    members.insert(key.clone(), member);
                    Value::Object(members)
                }));
            }
        }
        Value::Array(items) => {
            for place in 0..items.len() {
                let mut items = items.clone();
                items.remove(place);
                found.push(Value::Array(items));
            }
            for (place, item) in items.iter().enumerate() {
                found.extend(smaller(item).into_iter().map(|item| {
                    let mut items = items.clone();
                    items[place] = item;
                    Value::Array(items)
                }));
            }
        }
        _ => {}
    }
    found
}
