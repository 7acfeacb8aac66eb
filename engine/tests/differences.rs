//! Where whynot answers another way than OPA 1.22 and does not refuse: what `docs/rego.md` lists, and no more is known.

#![cfg(test)]

use engine::rego::builtins::{Halt, Host};
use engine::rego::value::Value;
use engine::rego::{Dialect, Program, Source, dialect_of, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What `data.p.x` is, as Rego writes it.
fn evaluated(dialect: Dialect, text: &str) -> String {
    let file = "p.rego";
    let text = &format!("package p\n\n{text}\n");
    let program = Program::compile(&[Source { file, text, dialect }]).unwrap();
    let input = json::parse(br#"{"k": "k", "n": 1, "name": "web"}"#).unwrap();
    let data = Value::object(Vec::new());
    match program.eval("data.p.x", Some(&input), &data, &mut Host::new(100_000)) {
        Ok(Some(value)) => value.to_string(),
        Ok(None) => "undefined".to_owned(),
        Err(Halt::Limit | Halt::Depth) => "the limit".to_owned(),
        Err(Halt::Error(error)) => error,
    }
}

fn of(text: &str) -> String {
    evaluated(Dialect::V1, text)
}

/// OPA refuses these: it knows types when it compiles.
#[test]
fn types_are_not_checked_when_a_policy_is_loaded() {
    for text in [
        "x := \"a\" + 1",
        "x := count(7)",
        "x := q.a\n\nq := {\"b\": 1}",
        "x := f(\"z\")\n\nf([a]) := a",
        "x := f\n\nf(a) := a",
    ] {
        assert_eq!(of(text), "undefined", "{text}");
    }
    assert_eq!(of("x if not q.a\n\nq := {\"b\": 1}"), "true");
}

/// OPA refuses these.
#[test]
fn what_only_style_speaks_against_is_taken() {
    assert_eq!(of("x := 1 if some y"), "1");
    assert_eq!(of("x if every key, value in {\"a\": 1} { value == 1 }"), "true");
    assert_eq!(of("x := any([false, true])"), "true");
    assert_eq!(of("default x := input.n"), "1");
    assert_eq!(of("import input.n\nimport input.k as n\n\nx := n"), "\"k\"");
}

/// OPA: recursion, since what replaces `data` is not looked at.
#[test]
fn a_package_that_is_replaced_is_not_read() {
    assert_eq!(of("x := y if y := q with data.p as {\"q\": 7}\n\nq := 5"), "7");
}

/// As in OPA 1.22. OPA 1.17, which is in Gatekeeper: `undefined`, in both syntaxes.
#[test]
fn all_future_keywords_change_not() {
    let text = "import future.keywords\n\nx if not input.nothing > 3";
    assert_eq!(evaluated(Dialect::V0, text), "true");
    assert_eq!(evaluated(Dialect::V1, text), "true");
    // A file that both syntaxes read is one of the newer.
    assert_eq!(dialect_of("p.rego", &format!("package p\n\n{text}\n")), Ok(Dialect::V1));
}

/// OPA: constants first, then computed keys by the names of their variables. The last one wins.
#[test]
fn the_last_of_two_equal_keys_wins_as_written() {
    assert_eq!(of("x := {input.k: 1, \"k\": 2}"), "{\"k\": 2}");
}

/// OPA: an error in both. Nothing is asked for that could change the result.
#[test]
fn what_cannot_change_a_result_is_not_evaluated() {
    let conflict = "\n\nf(1) := true\n\nf(2) := h\n\nh := 1\n\nh := 2";
    assert_eq!(
        of(&format!("x contains 1 if {{ some n in [1, 2]; f(n) }}{conflict}")),
        "{1}"
    );
}

/// OPA: `1`. It evaluates the part that is asked for.
#[test]
fn an_object_of_parts_is_evaluated_whole() {
    let text = "x := a.x\n\na[k] := 1 if k := \"x\"\n\na[k] := h if k := \"y\"\n\nh := 1\n\nh := 2";
    assert_eq!(of(text), "complete rules must not produce multiple outputs");
}

/// OPA: `3`. Only the older syntax allows such a name.
#[test]
fn input_is_always_the_input() {
    let text = "input = 3\n\nx = y { y := input.name }";
    assert_eq!(evaluated(Dialect::V0, text), "\"web\"");
}

/// OPA: `undefined`, since `print` is true.
#[test]
fn prints_are_passed_over() {
    assert_eq!(of("import future.keywords.not\n\nx if not print(\"a\")"), "true");
}

/// OPA: `["1", "1"]`. It remembers the result for an argument that is equal and was written in another way.
#[test]
fn results_belong_to_arguments_as_they_are_written() {
    let text = "x := [f(1), f(1.0)]\n\nf(a) := json.marshal(a)";
    assert_eq!(of(text), "[\"1\", \"1.0\"]");
}

/// OPA keeps `1_0` as it is written.
#[test]
fn underscores_in_numbers_are_not_kept() {
    assert_eq!(of("x := to_number(\"1_0\")"), "10");
}

/// OPA knows the zones of the world.
#[test]
fn other_time_zones_end_the_evaluation() {
    let error = of("x := time.date([0, \"Europe/Berlin\"])");
    assert_eq!(error, "time zones other than UTC are not supported: Europe/Berlin");
    assert_eq!(of("x := time.date([0, \"UTC\"])"), "[1970, 1, 1]");
}

/// OPA goes on for as long as its caller lets it.
#[test]
fn work_has_a_limit() {
    assert_eq!(
        of("x := count([1 | some a in numbers.range(1, 1000); some b in numbers.range(1, 1000)])"),
        "the limit"
    );
}
