//! What is accepted and what is refused, each with its reason.

use crate::context::Context;
use crate::eval::Program;

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn problems(text: &str) -> String {
    let program = Program::load("p.rego", text, Context::default().document()).unwrap();
    let result = inspect("p.rego", text, &program.syntax_tree().unwrap());
    result.map_or_else(|problems| crate::policy::list(&problems), |_| String::new())
}

#[test]
fn ordinary_rules_are_accepted() {
    assert_eq!(
        problems(
            "package p\n\nbad(c) := c.x if c.y\nnames contains n if some n in input.request.names\n\
             deny contains names if { some c in input.request.a; names := bad(c); not startswith(names, `x`) }\n\
             deny contains x if { some x; names[x]; data.context.cluster; data.p.names[x]; every d, e in x { d; e } }\n"
        ),
        ""
    );
}

#[test]
fn a_head_without_a_value_is_refused() {
    assert_eq!(
        problems("package p\n\ndeny contains msg if { input.request.x }\n"),
        "p.rego:3: nothing gives the variable msg a value"
    );
    let fine = "package p\nname := 1\nf(x) := x\ndeny contains {`a`: a, `n`: name, `i`: i, `c`: [y | some y in [1]]} if { some i; a = f(input.request[i]) }\n";
    assert_eq!(problems(fine), "");
}

#[test]
fn defaults_and_constants_are_accepted() {
    let fine = "package p\ndefault ok := false\nok if input.request.x\nwords := {`a`}\ndefault g(_) := false\ng(x) if x == 1\n\
                deny contains `x` if { not ok; kind := input.request.kind; not kind in words; not g(1) }\n";
    assert_eq!(problems(fine), "");
}

#[test]
fn recursion_is_refused() {
    assert_eq!(
        problems("package p\nf(x) := f(x - 1)\ndeny contains 1 if f(3)\n"),
        "p.rego: rules call themselves: f -> f; Rego forbids recursion"
    );
    let long = problems("package p\ndeny contains 1 if a\na if b\nb if data.p.a\n");
    assert!(long.contains("a -> b -> a"), "{long}");
}

#[test]
fn data_that_is_not_there_is_refused() {
    assert!(problems("package p\nimport data.lib.x\ndeny contains 1 if x.y\n").starts_with("p.rego:2: data.lib.x"));
    assert!(problems("package p\ndeny contains 1 if data.lib.x\n").starts_with("p.rego:2: data.lib.x is not there"));
}

#[test]
fn paths_that_cannot_be_there_are_refused() {
    for (expression, path) in [
        ("input.review.object.x", "input.review.object.x"),
        ("input[\"object\"]", "input.object"),
        ("data[\"lib\"].bad", "data.lib.bad"),
        ("data[input.request.x]", "data"),
        ("data.context.clutser", "data.context.clutser"),
        ("count(data) > 1", "data"),
    ] {
        let text = problems(&format!("package p\n\ndeny contains `x` if {expression}\n"));
        let expected = format!("p.rego:3: {path} is not there");
        assert!(text.starts_with(&expected), "{expression}: {text}");
    }
    assert!(
        problems("package p\nimport data as d\ndeny contains `x` if d.lib.bad\n")
            .starts_with("p.rego:2: data is not there")
    );
}

#[test]
fn calls_of_own_functions_have_the_right_number_of_arguments() {
    let text = problems("package p\nf(x) if x\ndeny contains `x` if f(1, 2)\n");
    assert_eq!(text, "p.rego:3: function f does not take 2 arguments");
}

/// The left column was compared with OPA 1.22: it says the same as the evaluator when `input.request.a` is undefined.
#[test]
fn negations_on_which_the_evaluator_and_opa_agree_are_accepted() {
    for expression in [
        "input.request.a",
        "input.request.a == 1",
        "1 == input.request.a",
        "input.request.a = 1",
        "rule",
        "rule == 1",
        "input.request.a[\"b\"].c",
        "f(x)",
        "startswith(x, `y`)",
        "x in {1, 2}",
        "x > 3",
        "count([y | some y in x]) == 1",
        "x in words",
        "input.request.a[x]",
    ] {
        let text = format!(
            "package p\nrule if input.request.r\nf(x) if x\nwords contains 1\ndeny contains `x` if {{ x := input.request.x; not {expression} }}\n"
        );
        assert_eq!(problems(&text), "", "{expression}");
    }
}

#[test]
fn imports_are_names_like_others() {
    let fine = "package p\nimport input.request as req\nimport input.parameters\nspec := req.object.spec\nlimit := parameters.limit\n\
                deny contains `x` if spec.count > limit\n";
    assert_eq!(problems(fine), "");
    let own = problems("package p\nimport data.p.a as h\na if h\ndeny contains `x` if a\n");
    assert!(own.contains("p.rego:2: the file imports its own package"), "{own}");
}

#[test]
fn what_may_be_undefined_under_another_name_is_not_negated() {
    for (before, expression) in [
        ("ann := input.request.object.metadata.annotations", "count(ann) > 3"),
        ("total := count(input.request.object.spec.volumes)", "total > 3"),
        (
            "import input.request.object.metadata.annotations as ann",
            "count(ann) > 3",
        ),
        (
            "import input.request.object.metadata.annotations",
            "`owner` in annotations",
        ),
    ] {
        let text = format!("package p\n{before}\nok if not {expression}\ndeny contains `x` if not ok\n");
        assert!(
            problems(&text).starts_with("p.rego:3: `not` with"),
            "{expression}: {}",
            problems(&text)
        );
    }
}

#[test]
fn the_own_package_as_a_whole_is_refused() {
    for expression in ["count(data.p) > 0", "data.p[input.request.x]"] {
        let text = problems(&format!("package p\n\ndeny contains `x` if {expression}\n"));
        assert!(text.starts_with("p.rego:3: data.p as a whole"), "{text}");
    }
}

/// Of these OPA says that the statement fails when `input.request.a` is undefined, and the evaluator that it is true.
#[test]
fn negations_on_which_they_differ_are_refused() {
    for expression in [
        "input.request.a > 3",
        "input.request.a != 1",
        "input.request.a + 1 == 3",
        "input.request.a in {1}",
        "1 in input.request.a",
        "f(input.request.a)",
        "f([input.request.a])",
        "f({`k`: input.request.a})",
        "startswith(lower(input.request.a), `x`)",
        "count(input.request.a) > 0",
        "lower(input.request.a) == `x`",
        "input.request.m[input.request.a]",
        "f(rule)",
        "[input.request.a] == [1]",
        "input.request.a == input.request.b",
        "x == f(x)",
    ] {
        let text = format!(
            "package p\nrule if input.request.r\nf(x) if x\ndeny contains `x` if {{ x := input.request.x\nnot {expression} }}\n"
        );
        assert!(
            problems(&text).starts_with("p.rego:5: `not` with"),
            "{expression}: {}",
            problems(&text)
        );
    }
}
