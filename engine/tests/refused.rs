//! Rego that OPA takes and whynot refuses when a policy is loaded: always with the file, the line and what is wrong there.
//! `docs/rego.md` says what to write instead; each remedy is taken.

#![cfg(test)]

use engine::context::Context;
use engine::policy::bundle::{Bundle, File};
use engine::policy::{self, compile::compile};
use engine::rego::Dialect;
use serde_json::Map;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What is wrong with a policy; nothing when it is taken.
fn problems_in(dialect: Dialect, text: &str) -> String {
    let file = File {
        dialect: Some(dialect),
        ..File::new("p.rego", text)
    };
    let bundle = Bundle::with_data(serde_json::from_str("{}").unwrap(), vec![file], Map::new());
    compile(&bundle, Context::default()).map_or_else(|problems| policy::list(&problems), |_| String::new())
}

fn problems(text: &str) -> String {
    problems_in(Dialect::V1, text)
}

#[track_caller]
fn refuses(text: &str, expected: &str, instead: &str) {
    let text = format!("package p\n\ndeny contains \"no\" if test\n\n{text}\n");
    let found = problems(&text);
    assert!(found.starts_with(expected), "{text}\n{found}");
    let instead = format!("package p\n\ndeny contains \"no\" if test\n\n{instead}\n");
    assert_eq!(problems(&instead), "", "{instead}");
}

#[test]
fn template_strings_are_refused() {
    refuses(
        "test if input.request.name == $\"web-{1}\"",
        "p.rego:5: template strings are not available here; use sprintf",
        "test if input.request.name == sprintf(\"web-%v\", [1])",
    );
    refuses(
        "test if input.request.name == $`web`",
        "p.rego:5: template strings are not available here; use sprintf",
        "test if input.request.name == `web`",
    );
}

#[test]
fn the_keywords_and_and_or_are_refused() {
    refuses(
        "import future.keywords.or\n\ntest if input.request.a or input.request.b",
        "p.rego:5: unexpected keyword `import`",
        "test if input.request.a\n\ntest if input.request.b",
    );
    let first =
        "package p\n\nimport future.keywords.and\n\ndeny contains \"no\" if input.request.a and input.request.b\n";
    assert_eq!(
        problems(first),
        "p.rego:5: unexpected keyword `and`; write several statements in one body"
    );
    let unused = "package p\n\nimport future.keywords.and\n\ndeny contains \"no\" if input.request.a\n";
    assert_eq!(
        problems(unused),
        "p.rego:3: the keywords `and` and `or` are not available here; write two rules, or one body"
    );
}

#[test]
fn bodies_of_not_are_refused() {
    let policy =
        |body: &str| format!("package p\n\nimport future.keywords.not\n\ndeny contains \"no\" if not {body}\n");
    assert_eq!(
        problems(&policy("{ input.request.a }")),
        "p.rego:5: `not` with a body in braces is not available here; put the body into a rule and negate that"
    );
    // Several statements are no set, which is what the parser takes the braces for.
    let several = problems(&policy("{ input.request.a; input.request.b }"));
    assert!(several.starts_with("p.rego:5: expecting `}`"), "{several}");
    assert_eq!(
        problems(&policy("both\n\nboth if { input.request.a; input.request.b }")),
        ""
    );
}

#[test]
fn numbers_that_the_parser_does_not_know_are_refused() {
    refuses(
        "test if input.request.n > .5",
        "p.rego:5: invalid number; write a digit before the point",
        "test if input.request.n > 0.5",
    );
    refuses(
        "test if input.request.n < 1e400",
        "p.rego:5: invalid number; write a digit before the point",
        "test if input.request.n < 1e308",
    );
    let small = "package p\n\ndeny contains \"no\" if input.request.n > 1e-400\n";
    assert_eq!(problems(small), "");
}

#[test]
fn texts_that_the_parser_does_not_know_are_refused() {
    refuses(
        "test if input.request.a == \"\u{1}\"",
        "p.rego:5: invalid character in string",
        "test if input.request.a == \"\\u0001\"",
    );
    refuses(
        "test if input.request.a == \"\\ud83d\"",
        "p.rego:5: ",
        "test if input.request.a == \"\\ud83d\\ude00\"",
    );
    assert_eq!(
        problems("\u{feff}package p\n\ndeny contains \"no\"\n"),
        "p.rego:1: invalid character"
    );
}

#[test]
fn parentheses_nested_deeply_are_refused() {
    let nested = |depth: usize| format!("test if {}1{} == 1", "(".repeat(depth), ")".repeat(depth));
    refuses(
        &nested(40),
        "p.rego:5: brackets are nested more than 16 deep",
        &nested(12),
    );
}

#[test]
fn an_index_into_parentheses_is_refused() {
    refuses(
        "test if {\n\tx := ([1, 2])[0]\n\tx == 1\n}",
        "p.rego:6: ",
        "test if {\n\tx := [1, 2][0]\n\tx == 1\n}",
    );
}

#[test]
fn a_second_body_of_a_set_is_refused_in_the_newer_syntax() {
    let rules = "package p\n\ndeny contains \"one\" if { input.request.a } { input.request.b }\n";
    assert_eq!(
        problems(rules),
        "p.rego:3: else cannot be used with set rules; write a rule for each body"
    );
    let older = "package p\n\ndeny[\"one\"] { input.request.a } { input.request.b }\n";
    assert_eq!(problems_in(Dialect::V0, older), "");
}

#[test]
fn a_parenthesis_that_begins_a_line_of_a_list_in_brackets_is_refused() {
    refuses(
        "test if count([x |\n\tx := input.request.a\n\t(x == 1)\n]) > 0",
        "p.rego:7: function input.request.a is not available here; if what is in parentheses",
        "test if count([x |\n\tx := input.request.a;\n\t(x == 1)\n]) > 0",
    );
}

#[test]
fn an_import_after_a_rule_is_refused() {
    refuses(
        "test if request.a\n\nimport input.request",
        "p.rego:7: unexpected keyword `import`; imports come before the rules",
        "test if input.request.a",
    );
}

#[test]
fn a_name_that_begins_with_a_keyword_is_refused() {
    refuses(
        "test if data.p.if.a\n\nif.a := 1",
        "p.rego:7: unexpected keyword `if`; write another name",
        "test if data.p.x[\"if\"]\n\nx.if := 1",
    );
}

#[test]
fn operators_have_no_names() {
    refuses(
        "test if eq(input.request.a, 1)",
        "p.rego:5: function eq is not available here; write ==",
        "test if equal(input.request.a, 1)",
    );
    refuses(
        "test if { assign(x, 1); x == 1 }",
        "p.rego:5: function assign is not available here; write :=",
        "test if { x := 1; x == 1 }",
    );
}

#[test]
fn functions_that_are_not_there_are_refused() {
    refuses(
        "test if http.send({\"url\": \"http://example.com\"})",
        "p.rego:5: function http.send is not available here; a policy has no network",
        "test if data.context.cluster.name",
    );
    refuses(
        "test if count([1]) == 1 with http.send as 1",
        "p.rego:5: `with http.send`: only input, data and functions can be replaced",
        "test if count([1]) == 2 with count as 2",
    );
    refuses(
        "test if time.now_ns() > 5",
        "p.rego:5: time.now_ns has no value here",
        "test if time.parse_rfc3339_ns(input.request.object.metadata.creationTimestamp) > 5",
    );
    refuses(
        "test if f(1) with f as walk\n\nf(x) := x",
        "p.rego:5: var walk is unsafe",
        "test if f(1) with f as count\n\nf(x) := x",
    );
}

#[test]
fn computed_references_to_the_own_package_are_refused() {
    refuses(
        "test if { name := \"x\"; data.p[name] }\n\nx := 1",
        "p.rego:3: rules call themselves: p.deny -> p.test -> p.deny; Rego forbids recursion",
        "test if { name := \"x\"; rules[name] }\n\nrules := {\"x\": x}\n\nx := 1",
    );
}

/// OPA refuses these too; what is said here is our own.
#[test]
fn parts_of_rules_are_not_replaced() {
    refuses(
        "test if limits.cpu == 2 with data.p.limits.cpu as 2\n\nlimits := {\"cpu\": 1}",
        "p.rego:5: `with data.p.limits.cpu` replaces a part of a rule; replace the rule",
        "test if limits.cpu == 2 with data.p.limits as {\"cpu\": 2}\n\nlimits := {\"cpu\": 1}",
    );
    refuses(
        "test if input.request.a[0] == 2 with input.request.a[0] as 2",
        "p.rego:5: expected string",
        "test if input.request.a[0] == 2 with input.request.a as [2]",
    );
}

#[test]
fn patterns_of_sets_are_refused() {
    refuses(
        "test if { {x, 1} = {1, 2}; x == 2 }",
        "p.rego:5: var x is unsafe: nothing gives it a value",
        "test if { some x in {1, 2}; x == 2 }",
    );
}

#[test]
fn files_and_lines_have_a_limit() {
    let line = |length: usize| format!("test if input.request.a == \"{}\"", "a".repeat(length));
    refuses(
        &line(70_000),
        "p.rego:5: line exceeds maximum column width of 65536",
        &line(60_000),
    );
    let lines = format!("package p\n{}deny contains \"no\"\n", "\n".repeat(20_001));
    assert_eq!(
        problems(&lines),
        "p.rego: p.rego exceeds maximum allowed line count 20000"
    );
    let bytes = format!(
        "package p\n\ndeny contains \"no\"\n{}",
        format!("# {}\n", "x".repeat(998)).repeat(1_100)
    );
    let found = problems(&bytes);
    assert_eq!(
        found,
        "p.rego: p.rego exceeds maximum allowed policy file size 1048576 bytes"
    );
}
