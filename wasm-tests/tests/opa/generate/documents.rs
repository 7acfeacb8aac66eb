//! Documents in the words that the programs use.

use fastrand::Rng;
use serde_json::{Map, Value, json};

pub(super) const KEYS: [&str; 8] = ["a", "b", "c", "n", "s", "xs", "ys", "m"];
pub(super) const TEXTS: [&str; 10] = ["a", "b", "c", "s", "", "1", "a b", "A-b", "xs", "é"];

/// Mostly the members that a program expects, sometimes none or one of another type.
pub(crate) fn document(random: &mut Rng) -> Value {
    let mut members = Map::new();
    for key in KEYS {
        let value = match random.u32(0..100) {
            0..15 => continue,
            15..30 => any(random, 2),
            _ => match key {
                "n" => number(random),
                "s" => text(random),
                "xs" => array(random, 1),
                "ys" => array(random, 2),
                "m" => object(random, 2),
                _ => any(random, 2),
            },
        };
        members.insert(key.to_owned(), value);
    }
    Value::Object(members)
}

fn any(random: &mut Rng, depth: usize) -> Value {
    match random.u32(0..if depth == 0 { 8 } else { 14 }) {
        0..3 => number(random),
        3..6 => text(random),
        6 => random.bool().into(),
        7 => Value::Null,
        8..11 => array(random, depth - 1),
        _ => object(random, depth - 1),
    }
}

fn number(random: &mut Rng) -> Value {
    match random.u32(0..12) {
        0 => json!(1.5),
        1 => json!(-1),
        2 => json!(0.1),
        3 => json!(10),
        _ => random.u32(0..4).into(),
    }
}

fn text(random: &mut Rng) -> Value {
    TEXTS[random.usize(0..TEXTS.len())].into()
}

fn array(random: &mut Rng, depth: usize) -> Value {
    let count = random.usize(0..4);
    (0..count).map(|_| any(random, depth)).collect()
}

fn object(random: &mut Rng, depth: usize) -> Value {
    let count = random.usize(0..4);
    let member = |_| (KEYS[random.usize(0..KEYS.len())].to_owned(), any(random, depth));
    Value::Object((0..count).map(member).collect())
}
