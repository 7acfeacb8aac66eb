//! Changes documents into what nobody expects: less, nothing, of another type, twice.

use fastrand::Rng;
use serde_json::{Value, json};

/// The document with up to so many changes below its members of these names.
pub(crate) fn mutated(random: &mut Rng, document: &Value, changes: usize, below: &[&str]) -> Value {
    let mut document = document.clone();
    for _ in 0..random.usize(0..=changes) {
        let root = format!("/{}", below[random.usize(0..below.len())]);
        let mut places = Vec::new();
        if let Some(part) = document.pointer(&root) {
            pointers(part, &root, &mut places);
        }
        if places.is_empty() {
            continue;
        }
        let place = places.swap_remove(random.usize(0..places.len()));
        change(random, &mut document, &place, &places);
    }
    document
}

/// Every value below one, and that itself.
fn pointers(value: &Value, path: &str, out: &mut Vec<String>) {
    // What no policy reads, and most of what a live object is.
    if path.ends_with("/managedFields") {
        return;
    }
    out.push(path.to_owned());
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                pointers(
                    member,
                    &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")),
                    out,
                );
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                pointers(item, &format!("{path}/{place}"), out);
            }
        }
        _ => {}
    }
}

fn change(random: &mut Rng, document: &mut Value, place: &str, others: &[String]) {
    // Two in five take something away: what is missing is what policies get wrong.
    if random.u32(0..5) < 2 {
        remove(document, place);
        return;
    }
    let another = others.get(random.usize(0..others.len().max(1)));
    let another = another.and_then(|place| document.pointer(place)).cloned();
    let Some(value) = document.pointer_mut(place) else {
        return;
    };
    let old = value.take();
    *value = match random.u32(0..9) {
        0 => Value::Null,
        1 => empty(&old),
        2 => other_type(random, &old),
        3 => swapped(&old),
        4 => duplicated(random, old),
        5 => json!([old]),
        6 => json!({"name": old}),
        7 => another.unwrap_or(Value::Null),
        _ => nearly(random, &old),
    };
}

fn remove(document: &mut Value, place: &str) {
    let Some((parent, key)) = place.rsplit_once('/') else {
        return;
    };
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.remove(&key.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => {
            items.remove(key.parse().unwrap());
        }
        _ => {}
    }
}

fn empty(value: &Value) -> Value {
    match value {
        Value::Array(_) => json!([]),
        Value::String(_) => json!(""),
        Value::Number(_) => json!(0),
        Value::Bool(value) => json!(!value),
        Value::Object(_) | Value::Null => json!({}),
    }
}

fn other_type(random: &mut Rng, value: &Value) -> Value {
    let others = [
        json!("text"),
        json!(1),
        json!(true),
        json!(false),
        json!(["a", 1]),
        json!({"a": 1}),
        json!(null),
    ];
    let fits = |other: &&Value| std::mem::discriminant(*other) != std::mem::discriminant(value);
    let others: Vec<&Value> = others.iter().filter(fits).collect();
    others[random.usize(0..others.len())].clone()
}

/// Numbers as texts and the other way round, lists as maps and the other way round.
fn swapped(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.to_string().into(),
        Value::String(text) => text.parse::<i64>().map_or_else(|_| json!(text.len()), Value::from),
        Value::Bool(value) => value.to_string().into(),
        Value::Array(items) => {
            let member = |(place, item): (usize, &Value)| (place.to_string(), item.clone());
            Value::Object(items.iter().enumerate().map(member).collect())
        }
        Value::Object(members) => members.values().cloned().collect(),
        Value::Null => json!("null"),
    }
}

fn duplicated(random: &mut Rng, value: Value) -> Value {
    match value {
        Value::Array(mut items) if !items.is_empty() => {
            let place = random.usize(0..items.len());
            let item = items[place].clone();
            items.insert(random.usize(0..=items.len()), item);
            Value::Array(items)
        }
        other => json!([other, other]),
    }
}

/// The same type, slightly off.
fn nearly(random: &mut Rng, value: &Value) -> Value {
    match value {
        Value::String(text) => match random.u32(0..6) {
            0 => text.to_uppercase().into(),
            1 => format!("{text} ").into(),
            2 => format!("{text}:latest").into(),
            3 => text.chars().skip(1).collect::<String>().into(),
            4 => format!("é{text}").into(),
            _ => format!("{text}/{text}").into(),
        },
        Value::Number(number) => match random.u32(0..5) {
            0 => json!(number.as_f64().unwrap_or_default() + 0.5),
            1 => json!(-number.as_f64().unwrap_or_default()),
            2 => json!(65536),
            3 => json!(1e21),
            _ => json!(number.as_i64().unwrap_or_default() + 1),
        },
        other => empty(other),
    }
}
