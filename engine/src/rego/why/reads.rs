//! What rules read of the object when they run, and the values that stand in them: where to probe what cannot be followed.

use super::{Origin, Place, Roots, Seg, Traced, Tracer};
use crate::rego::builtins::Host;
use crate::rego::plan::{Op, Pattern, Step, Template};
use crate::rego::program::{Location, Program, Read};
use crate::rego::value::Value;

/// How many fields and values are looked at.
const MOST: usize = 512;

/// What rules read, and what they know.
#[derive(Debug, Default)]
pub struct Reads {
    /// Fields of the object, in the order of their names; also those that are missing, and the structures around them.
    pub places: Vec<Place>,
    /// The plain values of the parameters, then those that the rules compare with.
    pub values: Vec<Value>,
    /// Who asks, the object before or other objects have a part in it.
    pub is_about_others: bool,
}

/// Runs rules and notes what they read.
pub fn reads(
    program: &Program,
    locations: &[&Location],
    input: &Value,
    data: &Value,
    roots: &Roots,
    host: &mut Host,
) -> Reads {
    let mut tracer = Tracer::new(program, input, data, roots, host);
    tracer.seen = Some(Vec::new());
    for location in locations {
        if let Some(rule) = location.rule {
            tracer.rule(rule);
        }
    }
    let mut seen = tracer.seen.take().unwrap_or_default();
    seen.sort();
    let places = seen.iter().filter_map(|place| tracer.in_object(place)).collect();
    let names_other = |place: &Place| {
        let is_other = |name: &str| matches!(name, "userInfo" | "oldObject");
        matches!(place.get(1), Some(Seg::Key(key)) if key.as_str().is_some_and(is_other))
    };
    let reads_inventory = |read: &Read| !read.is_input && read.path.first().is_some_and(|name| name == "inventory");
    let is_about_others = seen.iter().any(names_other) || program.documents().iter().any(reads_inventory);
    let mut values = Vec::new();
    plain(input.get(&Value::string("parameters")), &mut values);
    let starts = locations.iter().filter_map(|location| location.rule).collect();
    for rule in program.reached(starts) {
        let definitions = program.rules.get(rule).into_iter().flat_map(|set| &set.definitions);
        for branch in definitions.flat_map(|definition| &definition.branches) {
            of_template(&branch.value, &mut values);
            of_steps(&branch.steps, &mut values);
        }
    }
    Reads {
        places,
        values,
        is_about_others,
    }
}

impl<'p> Tracer<'p, '_> {
    /// Notes that a place of `input` is read.
    pub(super) fn note(&mut self, place: &Place) {
        if let Some(seen) = &mut self.seen
            && !place.is_empty()
            && seen.len() < MOST
            && !place.iter().any(|seg| matches!(seg, Seg::New(_)))
            && !seen.contains(place)
        {
            seen.push(place.clone());
        }
    }

    /// Notes that all of a value is read: it goes into a function.
    pub(super) fn note_all(&mut self, value: &Traced<'p>) {
        if self.seen.is_none() {
            return;
        }
        if let Origin::Input(_) = &*value.from
            && matches!(value.value, Some(Value::Object(_) | Value::Array(_)))
        {
            // To look at a member is to note it.
            self.walk(value);
        }
    }
}

fn add(value: &Value, found: &mut Vec<Value>) {
    if found.len() < MOST && !found.contains(value) {
        found.push(value.clone());
    }
}

/// The plain values in a document.
fn plain(value: Option<&Value>, found: &mut Vec<Value>) {
    match value {
        Some(Value::Array(items)) => items.iter().for_each(|item| plain(Some(item), found)),
        Some(Value::Set(items)) => items.iter().for_each(|item| plain(Some(item), found)),
        Some(Value::Object(object)) => object.iter().for_each(|(_, value)| plain(Some(value), found)),
        Some(value @ (Value::String(_) | Value::Number(_))) => add(value, found),
        _ => {}
    }
}

fn of_template(template: &Template, found: &mut Vec<Value>) {
    match template {
        Template::Const(value) => plain(Some(value), found),
        Template::Slot(_) => {}
        Template::Array(items) | Template::Set(items) => items.iter().for_each(|item| of_template(item, found)),
        Template::Object(fields) => fields.iter().for_each(|(_, value)| of_template(value, found)),
    }
}

fn of_pattern(pattern: &Pattern, found: &mut Vec<Value>) {
    match pattern {
        Pattern::Equal(template) => of_template(template, found),
        Pattern::Array(items) => items.iter().for_each(|item| of_pattern(item, found)),
        Pattern::Object(fields) => fields.iter().for_each(|(_, value)| of_pattern(value, found)),
        _ => {}
    }
}

/// Whether an argument only says how a call does what it does: a layout, a format, a separator is no value of a field.
pub(super) fn says_how(builtin: &str, place: usize) -> bool {
    match builtin {
        // What a message is made of.
        "sprintf" | "concat" => true,
        "time.parse_ns" | "regex.split" | "regex.find_n" | "regex.find_all_string_submatch_n" => place == 0,
        "split" | "trim" | "trim_left" | "trim_right" | "indexof" | "format_int" | "replace" | "regex.replace" => {
            place > 0
        }
        _ => false,
    }
}

fn of_steps(steps: &[Step], found: &mut Vec<Value>) {
    for step in steps {
        match &step.op {
            Op::Path { out, .. } | Op::Tree { out, .. } | Op::Walk { out, .. } => of_pattern(out, found),
            Op::Scan { key, value, .. } => {
                of_pattern(key, found);
                of_pattern(value, found);
            }
            Op::Match { value, pattern } => {
                of_template(value, found);
                of_pattern(pattern, found);
            }
            Op::Builtin { builtin, args, out } => {
                for (place, arg) in args.iter().enumerate() {
                    if !says_how(builtin.name, place) {
                        of_template(arg, found);
                    }
                }
                of_pattern(out, found);
            }
            Op::Call { args, out, .. } => {
                args.iter().for_each(|arg| of_template(arg, found));
                of_pattern(out, found);
            }
            Op::Not(inner) => of_steps(inner, found),
            Op::Every { domain, steps, .. } => {
                of_template(domain, found);
                of_steps(steps, found);
            }
            Op::Collect { steps, .. } | Op::With { steps, .. } => of_steps(steps, found),
            Op::Fail => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::says_how;

    #[test]
    fn a_layout_is_no_value_and_what_it_reads_is() {
        assert!(says_how("time.parse_ns", 0) && !says_how("time.parse_ns", 1));
        assert!(says_how("split", 1) && !says_how("split", 0));
        assert!(!says_how("startswith", 1));
    }
}
