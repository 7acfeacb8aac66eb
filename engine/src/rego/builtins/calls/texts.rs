//! Texts: searching, cutting, replacing, letters.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::check;

#[test]
fn places_are_counted_in_characters() {
    check(&[
        ("indexof(\"héllo\", \"l\")", "2"),
        ("indexof(\"abc\", \"x\")", "-1"),
        ("indexof(\"abc\", \"\")", "undefined: empty search character"),
        ("indexof_n(\"aaaa\", \"aa\")", "[0, 1, 2]"),
        ("indexof_n(\"日本日\", \"日\")", "[0, 2]"),
        ("indexof_n(\"abc\", \"x\")", "[]"),
        ("substring(\"日本語\", 1, 1)", "\"本\""),
        ("substring(\"abc\", 1, -1)", "\"bc\""),
        ("substring(\"abc\", 1.0, 9223372036854775807)", "\"bc\""),
        ("substring(\"abc\", 9, 1)", "\"\""),
        ("substring(\"abc\", -1, 1)", "undefined: negative offset"),
        ("count(\"日本語\")", "3"),
        ("strings.count(\"cheese\", \"e\")", "3"),
        ("strings.count(\"日本\", \"\")", "3"),
        ("strings.reverse(\"añb\")", "\"bña\""),
    ]);
}

#[test]
fn texts_are_cut_and_joined() {
    check(&[
        ("split(\"a,b,\", \",\")", "[\"a\", \"b\", \"\"]"),
        ("split(\"aé\", \"\")", "[\"a\", \"é\"]"),
        ("split(\"\", \"\")", "[]"),
        ("split(\"\", \",\")", "[\"\"]"),
        ("strings.split_n(\"a,b,c\", \",\", 2)", "[\"a\", \"b\"]"),
        ("strings.split_n(\"a,b,c\", \",\", -2)", "[\"b\", \"c\"]"),
        ("strings.split_n(\"a,b,c\", \",\", 0)", "[]"),
        ("concat(\", \", [\"b\", \"a\"])", "\"b, a\""),
        ("concat(\", \", {\"b\", \"a\"})", "\"a, b\""),
        ("concat(\", \", [])", "\"\""),
        (
            "concat(\", \", [\"a\", 1])",
            "undefined: operand 2 must be array of strings but got array containing number",
        ),
        ("trim(\"¡¡abc!¡\", \"!¡\")", "\"abc\""),
        ("trim(\"abc\", \"\")", "\"abc\""),
        ("trim_left(\"aab\", \"a\")", "\"b\""),
        ("trim_right(\"baa\", \"a\")", "\"b\""),
        ("trim_prefix(\"aab\", \"a\")", "\"ab\""),
        ("trim_suffix(\"baa\", \"a\")", "\"ba\""),
        ("trim_space(\"\\u00a0\\t a \\n\\u3000\")", "\"a\""),
    ]);
}

#[test]
fn each_letter_becomes_one_other() {
    check(&[
        ("upper(\"straße\")", "\"STRAßE\""),
        ("upper(\"ŉ ﬁ ᾳ ᾀ\")", "\"ŉ ﬁ ᾼ ᾈ\""),
        ("lower(\"İΣ\")", "\"iσ\""),
        ("lower(\"ΑΣ\")", "\"ασ\""),
    ]);
}

#[test]
fn the_first_pattern_that_fits_is_replaced() {
    check(&[
        ("replace(\"aaa\", \"aa\", \"b\")", "\"ba\""),
        ("replace(\"ab\", \"\", \"-\")", "\"-a-b-\""),
        (
            "strings.replace_n({\"<\": \"&lt;\", \">\": \"&gt;\"}, \"<b>\")",
            "\"&lt;b&gt;\"",
        ),
        ("strings.replace_n({\"a\": \"1\", \"aa\": \"2\"}, \"aab\")", "\"11b\""),
        ("strings.replace_n({\"\": \"X\", \"a\": \"b\"}, \"aa\")", "\"XbXbX\""),
        (
            "strings.replace_n({1: \"a\"}, \"a\")",
            "undefined: operand 1 non-string key found in pattern object",
        ),
    ]);
}

#[test]
fn beginnings_and_ends_are_found() {
    check(&[
        ("contains(\"abc\", \"\")", "true"),
        ("startswith(\"abc\", \"ab\")", "true"),
        ("endswith(\"abc\", \"ab\")", "false"),
        ("strings.any_prefix_match(\"abc\", [\"x\", \"ab\"])", "true"),
        ("strings.any_prefix_match([\"x\", \"abc\"], {\"ab\"})", "true"),
        ("strings.any_prefix_match([], [\"\"])", "false"),
        ("strings.any_suffix_match({\"abc\"}, \"bc\")", "true"),
        (
            "strings.any_suffix_match(\"abc\", [\"c\", 1])",
            "undefined: operand 2 must be array of strings but got array containing number",
        ),
        (
            "strings.any_suffix_match(1, \"a\")",
            "undefined: operand 1 must be one of {string, set, array} but got number",
        ),
        (
            "contains(\"abc\", 1)",
            "undefined: operand 2 must be string but got number",
        ),
    ]);
}
