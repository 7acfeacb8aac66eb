//! What a body is about: which of its steps is the objection, and which only say when it applies.

use super::{Blame, CONDITION, ESCAPE, Goal, Origin, Place, Seg, Source, Test, Traced, Tracer, Want};
use crate::rego::plan::{Collect, Op, Pattern, Source as From, Step, Template, TreeStep};
use crate::rego::value::Value;

/// To be exempt.
pub(super) const EXEMPTION: u32 = 8;

/// Whether a step asks something, rather than giving a variable its value.
pub(super) fn is_condition(op: &Op) -> bool {
    let asks = |pattern: &Pattern| !matches!(pattern, Pattern::Any | Pattern::Bind(_));
    match op {
        Op::Path { out, .. } | Op::Builtin { out, .. } | Op::Call { out, .. } | Op::Tree { out, .. } => asks(out),
        Op::Match { pattern, .. } => asks(pattern),
        Op::Scan { value, .. } => matches!(value, Pattern::True | Pattern::Equal(_)),
        Op::Not(_) | Op::Every { .. } => true,
        Op::With { steps, .. } => steps.iter().any(|step| is_condition(&step.op)),
        _ => false,
    }
}

/// Where a value is refused, the values that the message names may be right.
pub(super) fn with_values(goal: Goal, values: &[Value]) -> Goal {
    if values.is_empty() {
        return goal;
    }
    match goal {
        Goal::Want(want) if !want.wanted && matches!(want.test, Test::Among(_)) && want.detour < ESCAPE => {
            let instead = Want {
                test: Test::Try(values.to_vec()),
                wanted: true,
                source: Source::Parameter,
                ..want.clone()
            };
            Goal::Any(vec![Goal::Want(instead), Goal::Want(want)])
        }
        Goal::All(goals) => Goal::All(goals.into_iter().map(|goal| with_values(goal, values)).collect()),
        Goal::Any(goals) => Goal::Any(goals.into_iter().map(|goal| with_values(goal, values)).collect()),
        other => other,
    }
}

/// Whether no step reads what a pattern binds.
pub(super) fn is_presence(out: &Pattern, steps: &[Step]) -> bool {
    match out {
        Pattern::Any => true,
        Pattern::Bind(slot) => !steps.iter().any(|step| reads(&step.op, *slot)),
        _ => false,
    }
}

pub(super) fn reads(op: &Op, slot: usize) -> bool {
    let of = |template: &Template| template_reads(template, slot);
    let any = |steps: &[Step]| steps.iter().any(|step| reads(&step.op, slot));
    match op {
        Op::Path { source, keys, out } => {
            matches!(source, From::Slot(own) if *own == slot) || keys.iter().any(of) || pattern_reads(out, slot)
        }
        Op::Scan { slot: own, key, value } => *own == slot || pattern_reads(key, slot) || pattern_reads(value, slot),
        Op::Tree { out, steps, .. } => {
            pattern_reads(out, slot)
                || steps.iter().any(|step| match step {
                    TreeStep::Key(key) => of(key),
                    TreeStep::Scan(pattern) => pattern_reads(pattern, slot),
                })
        }
        Op::Match { value, pattern } => {
            !matches!(pattern, Pattern::Bind(_)) && of(value) || pattern_reads(pattern, slot)
        }
        // A message is made of it.
        Op::Builtin { builtin, args, out } => {
            builtin.name != "sprintf" && args.iter().any(of) || pattern_reads(out, slot)
        }
        Op::Call { args, out, .. } => args.iter().any(of) || pattern_reads(out, slot),
        Op::Walk { value, .. } => of(value),
        Op::Not(inner) => any(inner),
        Op::Every { domain, steps, .. } => of(domain) || any(steps),
        Op::Collect { sort, steps, .. } => {
            any(steps)
                || match sort {
                    Collect::Array(item) | Collect::Set(item) => of(item),
                    Collect::Object(key, value) => of(key) || of(value),
                }
        }
        Op::With { steps, .. } => any(steps),
        Op::Fail => false,
    }
}

pub(super) fn template_reads(template: &Template, slot: usize) -> bool {
    match template {
        Template::Const(_) => false,
        Template::Slot(own) => *own == slot,
        Template::Array(items) | Template::Set(items) => items.iter().any(|item| template_reads(item, slot)),
        Template::Object(fields) => fields
            .iter()
            .any(|(key, value)| template_reads(key, slot) || template_reads(value, slot)),
    }
}

pub(super) fn pattern_reads(pattern: &Pattern, slot: usize) -> bool {
    match pattern {
        Pattern::Equal(template) => template_reads(template, slot),
        Pattern::Array(patterns) => patterns.iter().any(|pattern| pattern_reads(pattern, slot)),
        Pattern::Object(fields) => fields
            .iter()
            .any(|(key, pattern)| template_reads(key, slot) || pattern_reads(pattern, slot)),
        _ => false,
    }
}

pub(super) fn names_exemption(name: &str) -> bool {
    let name = name.to_lowercase();
    ["exempt", "exclu", "skip", "ignore", "whitelist", "bypass", "exception"]
        .iter()
        .any(|word| name.contains(word))
}

impl<'p> Tracer<'p, '_> {
    /// A message may say the value that would be right: it is made from the one that is there.
    pub(super) fn suggested(&self, said: &Traced<'p>, depth: u32) -> Goal {
        let never = Goal::Never(Blame::default());
        if depth > 6 {
            return never;
        }
        match &*said.from {
            Origin::Object(fields) => {
                let goals = fields
                    .iter()
                    .map(|(_, value)| self.suggested(value, depth + 1))
                    .collect();
                Goal::any(goals)
            }
            Origin::List(items) => Goal::any(items.iter().map(|item| self.suggested(item, depth + 1)).collect()),
            Origin::Call { builtin, args } if matches!(builtin.name, "sprintf" | "concat") => {
                let mut ways: Vec<Goal> = args.iter().map(|arg| self.suggested(arg, depth + 1)).collect();
                // Within the message, a text that is made of one field and of what the policy knows: how it should read.
                if depth > 1
                    && let ([place], Some(value)) = (self.leaves(said).as_slice(), &said.value)
                    && let Some(place) = self.in_object(place)
                    && place.first() != Some(&Seg::Key(Value::string("metadata")))
                {
                    ways.push(Goal::Want(Want {
                        place,
                        test: Test::Try(vec![value.clone()]),
                        wanted: true,
                        source: Source::Rule,
                        detour: 0,
                    }));
                }
                Goal::any(ways)
            }
            Origin::Call { builtin, args } if matches!(builtin.name, "replace" | "regex.replace" | "lower") => {
                let place = args.iter().find_map(|arg| match &*arg.from {
                    Origin::Input(place) => self.in_object(place),
                    _ => None,
                });
                match (place, &said.value) {
                    (Some(place), Some(value)) => Goal::Want(Want {
                        place,
                        test: Test::Try(vec![value.clone()]),
                        wanted: true,
                        source: Source::Rule,
                        detour: 0,
                    }),
                    _ => never,
                }
            }
            _ => never,
        }
    }

    /// The values of the policy that the message names: what should be there instead is often one of them.
    pub(super) fn said_values(&self, said: &Traced<'p>, depth: u32, found: &mut Vec<Value>) {
        if depth > 6 || found.len() > 8 {
            return;
        }
        match &*said.from {
            Origin::Object(fields) => fields
                .iter()
                .for_each(|(_, value)| self.said_values(value, depth + 1, found)),
            Origin::List(items) => items.iter().for_each(|item| self.said_values(item, depth + 1, found)),
            Origin::Call { builtin, args } if builtin.name == "sprintf" => {
                args.iter()
                    .skip(1)
                    .for_each(|arg| self.said_values(arg, depth + 1, found));
            }
            Origin::Call { builtin, args } if builtin.name == "concat" => {
                args.iter()
                    .skip(1)
                    .for_each(|arg| self.said_values(arg, depth + 1, found));
            }
            Origin::Input(_) | Origin::Data(_) | Origin::Member { .. } if self.source_of(said) == Source::Parameter => {
                match &said.value {
                    Some(value @ (Value::String(_) | Value::Number(_))) => found.push(value.clone()),
                    Some(Value::Array(items)) => found.extend(items.iter().take(6).cloned()),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// What is near to what the message names is more likely meant.
    pub(super) fn toward(&self, goal: Goal, said: &[Place]) -> Goal {
        let named: Vec<Place> = said
            .iter()
            .filter_map(|place| self.in_object(place))
            .filter(|place| {
                let last = place.last();
                !matches!(last, Some(Seg::Key(key)) if matches!(key.as_str(), Some("name" | "namespace" | "kind")))
            })
            .collect();
        let is_named = |place: &Place| {
            named
                .iter()
                .any(|leaf| leaf.starts_with(place) || place.starts_with(leaf))
        };
        let mut has_named = false;
        goal.visit(&mut |want| has_named |= is_named(&want.place) && want.detour < ESCAPE);
        let goal = if has_named {
            goal.each(&|want: &mut Want| {
                if is_named(&want.place) {
                    want.detour = if want.detour < ESCAPE {
                        want.detour.saturating_sub(CONDITION)
                    } else {
                        want.detour
                    };
                } else {
                    want.detour += 2;
                }
            })
        } else {
            goal
        };
        let near: Vec<Place> = said
            .iter()
            .filter_map(|place| self.in_object(place))
            .filter(|place| place.len() > 2)
            .collect();
        if near.is_empty() {
            return goal;
        }
        let is_near = |place: &Place| {
            near.iter().any(|leaf| {
                let around = leaf.get(..leaf.len() - 1).unwrap_or_default();
                place == leaf || place.starts_with(around) || leaf.starts_with(place)
            })
        };
        goal.each(&|want: &mut Want| {
            if !is_near(&want.place) {
                want.detour += 1;
            }
        })
    }

    /// Whether a step asks who or what the rule does not apply to.
    pub(super) fn is_exemption(&self, op: &Op) -> bool {
        match op {
            Op::Call { rule, .. } => {
                let set = self.program.rules.get(*rule);
                set.and_then(|set| set.path.last())
                    .is_some_and(|name| names_exemption(name))
            }
            Op::Path { source, keys, .. } => {
                let of_rule = match source {
                    From::Rule(rule) => self
                        .program
                        .rules
                        .get(*rule)
                        .and_then(|set| set.path.last())
                        .is_some_and(|name| names_exemption(name)),
                    _ => false,
                };
                of_rule
                    || keys
                        .iter()
                        .any(|key| matches!(key, Template::Const(Value::String(name)) if names_exemption(name)))
            }
            Op::Not(inner) | Op::Every { steps: inner, .. } | Op::With { steps: inner, .. } => {
                inner.iter().any(|step| self.is_exemption(&step.op))
            }
            _ => false,
        }
    }
}
