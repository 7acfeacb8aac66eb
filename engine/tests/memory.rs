//! What a set keeps from one review to the next changes no verdict.

#![cfg(test)]
#![cfg(not(target_arch = "wasm32"))]

use std::fs;
use std::path::{Path, PathBuf};

use engine::admission::Review;
use engine::cases::CaseFile;
use engine::context::Context;
use engine::eval::PolicySet;
use engine::policy::{self, bundle::Bundle, settings::Settings};
use engine::verdict::FailureKind;
use serde_json::{Value, json};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
    found.sort();
}

fn below(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder),
        &mut found,
    );
    found
}

fn compiled(sources: Vec<(String, String)>) -> PolicySet {
    let bundle = Bundle::new(Settings::default(), sources);
    policy::compile::compile(&bundle, Context::default()).unwrap_or_else(|p| panic!("{}", policy::list(&p)))
}

/// All policies of the library, and Gatekeeper's.
fn set() -> PolicySet {
    let is_source = |path: &&PathBuf| {
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
        path.ends_with("policy.rego") || is_yaml && path.to_str().unwrap().contains("/gatekeeper/")
    };
    let paths = [below("policies"), below("wasm-tests/fixtures/gatekeeper")].concat();
    let sources = paths.iter().filter(is_source);
    compiled(
        sources
            .map(|path| (path.to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
            .collect(),
    )
}

/// The reviews of all cases, as they are and with something taken away, put in the place of something else, or written in
/// another way.
fn reviews() -> Vec<Value> {
    let mut reviews = Vec::new();
    for file in below("policies")
        .iter()
        .filter(|path| path.to_str().unwrap().contains("/cases/"))
    {
        for case in CaseFile::parse(&fs::read_to_string(file).unwrap()).unwrap().cases {
            reviews.extend(case.variants().unwrap().iter().map(engine::cases::Variant::review_json));
        }
    }
    let mut altered = Vec::new();
    for (number, review) in reviews.iter().enumerate() {
        let mut places = Vec::new();
        pointers(&review["request"]["object"], "/request/object", &mut places);
        for turn in 0..2 {
            let place = &places[(number * 31 + turn * 17) % places.len()];
            let other = review
                .pointer(&places[(number * 13 + turn * 7) % places.len()])
                .cloned();
            let mut review = review.clone();
            let value = review.pointer_mut(place).unwrap();
            *value = match (number + turn) % 4 {
                0 => Value::Null,
                1 => other.unwrap_or_default(),
                2 => json!([value.take()]),
                _ => serde_json::from_str("1.0").unwrap(),
            };
            altered.push(review);
        }
    }
    reviews.extend(altered);
    reviews
}

fn pointers(value: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                pointers(
                    member,
                    &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")),
                    found,
                );
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                pointers(item, &format!("{path}/{place}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn a_used_set_decides_as_a_fresh_one() {
    let (used, fresh) = (set(), set());
    used.forget(0);
    fresh.forget(u64::MAX);
    let reviews = reviews();
    let (mut count, mut last) = (0, Vec::new());
    for (number, review) in reviews.iter().enumerate() {
        // Each one again a little later, as a controller tries again, with an id of its own.
        for (turn, review) in [
            Some(review),
            number.checked_sub(3).and_then(|earlier| reviews.get(earlier)),
        ]
        .into_iter()
        .flatten()
        .enumerate()
        {
            let mut review = review.clone();
            review["request"]["uid"] = json!(format!("{number}-{turn}"));
            let Ok(review) = Review::parse(review.to_string().as_bytes()) else {
                continue;
            };
            let (one, other) = (used.evaluate(&review), fresh.evaluate(&review));
            assert_eq!(format!("{one:?}"), format!("{other:?}"), "after {last:?}");
            last.clear();
            last.push(number);
            count += 1;
        }
    }
    let spared = used.forget(0);
    assert!(count > 500, "{count}");
    assert!(spared > count, "{spared} evaluations were spared in {count} reviews");
    assert_eq!(fresh.forget(0), 0);
}

/// Three take nearly all that a review has, so that what the fourth has depends on them; the third goes over its own limit.
#[test]
fn limits_do_not_depend_on_what_came_before() {
    let policy = |name: &str, steps: usize| {
        let text = format!(
            "package {name}\n\ndeny contains msg if {{\n\tsome x in numbers.range(1, {steps})\n\tsome y in numbers.range(1, 1000)\n\t\
             x * y == -1\n\tmsg := input.request.object.spec.a\n}}\n"
        );
        (format!("{name}.rego"), text)
    };
    let set = compiled(vec![
        policy("a", 450),
        policy("b", 450),
        policy("c", 900),
        policy("d", 400),
    ]);
    let review = |uid: &str| {
        let request = json!({
            "uid": uid, "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "namespace": "shop",
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"a": "x"}},
        });
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        Review::parse(review.to_string().as_bytes()).unwrap()
    };
    let verdicts: Vec<String> = ["1", "2", "3"]
        .iter()
        .map(|uid| format!("{:?}", set.evaluate(&review(uid))))
        .collect();
    assert_eq!(verdicts[0], verdicts[1]);
    assert_eq!(verdicts[0], verdicts[2]);
    assert_eq!(set.forget(u64::MAX), 8, "four policies, two reviews");
    assert_eq!(verdicts[0], format!("{:?}", set.evaluate(&review("4"))));
    let verdict = set.evaluate(&review("5"));
    assert!(
        verdict
            .failures()
            .iter()
            .any(|failure| failure.kind == FailureKind::Limit),
        "{verdict:?}"
    );
}
