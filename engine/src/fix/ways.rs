//! Which wants together reach a goal, the cheapest first.

use crate::rego::why::{Goal, Want};

/// Wants that reach a goal together.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) cost: u32,
    pub(super) wants: Vec<Want>,
}

/// How many ways are kept at each part of a goal.
const BEAM: usize = 24;

/// The same where a goal has many parts: what is wrong everywhere is mended everywhere in the same way.
const NARROW: usize = 3;

/// From how many parts on that is so.
const MANY: usize = 24;

/// How many wants a goal has at most. What is wrong in more places is no matter of one change.
pub(super) const MAX_WANTS: usize = 2_000;

/// The cheapest ways to a goal. `price` is what a want costs by itself; none when nothing can be done about it.
pub(super) fn ways(goal: &Goal, price: &mut dyn FnMut(&Want) -> Option<u32>) -> Vec<Way> {
    let start = Way {
        cost: 0,
        wants: Vec::new(),
    };
    match goal {
        Goal::Done => vec![start],
        Goal::Never(_) => Vec::new(),
        Goal::Want(want) => price(want)
            .map(|cost| Way {
                cost,
                wants: vec![want.clone()],
            })
            .into_iter()
            .collect(),
        Goal::Any(goals) => {
            let mut found: Vec<Way> = goals.iter().flat_map(|goal| ways(goal, price)).collect();
            cheapest(&mut found, BEAM);
            found
        }
        Goal::All(goals) => {
            let beam = if goals.len() > MANY { NARROW } else { BEAM };
            let mut found = vec![start];
            for goal in goals {
                let mut more = ways(goal, price);
                more.truncate(beam);
                let mut next = Vec::new();
                for way in &found {
                    for other in &more {
                        next.push(joined(way, other, price));
                    }
                }
                cheapest(&mut next, beam);
                found = next;
                if found.is_empty() {
                    break;
                }
            }
            found
        }
    }
}

/// Both; what they have in common costs once.
fn joined(one: &Way, other: &Way, price: &mut dyn FnMut(&Want) -> Option<u32>) -> Way {
    let mut way = one.clone();
    way.cost += other.cost;
    for want in &other.wants {
        if way.wants.contains(want) {
            way.cost = way.cost.saturating_sub(price(want).unwrap_or(0));
        } else {
            way.wants.push(want.clone());
        }
    }
    way
}

fn cheapest(ways: &mut Vec<Way>, beam: usize) {
    // Stable: among equals, the order of the policy.
    ways.sort_by_key(|way| way.cost);
    let mut kept: Vec<Way> = Vec::new();
    for way in ways.drain(..) {
        if kept.len() == beam {
            break;
        }
        if !kept.iter().any(|other| other.wants == way.wants) {
            kept.push(way);
        }
    }
    *ways = kept;
}
