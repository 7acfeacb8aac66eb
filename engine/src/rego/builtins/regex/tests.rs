use super::super::{Fault, Halt, Host, find};
use crate::rego::json;
use crate::rego::value::Value;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn value(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap()
}

fn call(name: &str, args: &str) -> String {
    let args = value(args);
    match (find(name).unwrap().run)(&mut Host::new(1_000_000), args.as_array().unwrap()) {
        Ok(value) => value.to_json().to_string(),
        Err(_) => "undefined".to_owned(),
    }
}

fn matches(pattern: &str, subject: &str) -> String {
    let args = serde_json::json!([pattern, subject]);
    call("regex.match", &args.to_string())
}

/// A pattern, a text, and what OPA gives.
const MATCHES: &[(&str, &str, &str)] = &[
    // Classes know ASCII only.
    (r"^\d$", "٣", "false"),
    (r"^\w$", "é", "false"),
    (r"^\d\w\s\pL$", "1a b", "true"),
    (r"^\s$", "\u{a0}", "false"),
    (r"^\s$", "\u{b}", "false"),
    (r"^[[:space:]]$", "\u{b}", "true"),
    (r"^\W$", "é", "true"),
    (r"^[^\D]$", "7", "true"),
    (r"é\b", "é", "false"),
    (r"e\b", "eé", "true"),
    (r"^\B", "é", "true"),
    (r"^\pL+$", "éß", "true"),
    (r"^\p{^Greek}$", "α", "false"),
    (r"^\p{greek}$", "α", "true"),
    (r"^\p{Grek}$", "α", "undefined"),
    (r"^\p{script=Greek}$", "α", "undefined"),
    (r"^\p{Uppercase_Letter}$", "A", "true"),
    (r"^\P{Cs}$", "A", "true"),
    // Operators of sets are plain characters.
    (r"^[a&&b]+$", "&b", "true"),
    (r"^[a--b]$", "+", "undefined"),
    (r"^[+--]$", ",", "true"),
    (r"^[a~~b]+$", "~", "true"),
    (r"^[[a]$", "[", "true"),
    (r"^[]a]$", "]", "true"),
    (r"^[^]a]$", "]", "false"),
    (r"^[a-]$", "-", "true"),
    (r"^[\[\]]$", "]", "true"),
    (r"^[[:word:]-]+$", "a-b", "true"),
    (r"[[:nope:]]", "a", "undefined"),
    (r"[[:^alpha:]]", "a", "false"),
    (r"[z-a]", "a", "undefined"),
    (r"[a", "a", "undefined"),
    (r"[\b]", "a", "undefined"),
    // The end.
    ("^a$", "a\n", "false"),
    ("(?m)^a$", "b\na\n", "true"),
    ("^.$", "\n", "false"),
    ("(?s)^.$", "\n", "true"),
    (r"\Aa\z", "a", "true"),
    (r"\Z", "", "undefined"),
    // Literals.
    (r"^\Qa.b\E+$", "a.bb", "true"),
    (r"^\Qa.b\E$", "axb", "false"),
    (r"^\Q*", "*", "true"),
    (r"^a\x{41}\x42\103$", "aABC", "true"),
    (r"\1", "1", "undefined"),
    (r"\x{110000}", "", "undefined"),
    (r"\x{d800}", "a", "false"),
    (r"^[\x{D000}-\x{E000}]$", "\u{d000}", "true"),
    (r"\_\-\/", "_-/", "true"),
    (r"\é", "é", "undefined"),
    (r"\<", "<", "true"),
    (r"\q", "q", "undefined"),
    (r"\", "", "undefined"),
    ("a b#c", "a b#c", "true"),
    // Repetitions.
    ("^a{2}$", "aa", "true"),
    ("^a{,2}$", "a{,2}", "true"),
    ("^a{,2}$", "aa", "false"),
    ("^a{02}$", "a{02}", "true"),
    ("^a{2,1}$", "aa", "undefined"),
    ("a{1001}", "a", "undefined"),
    ("a{1000}", "a", "false"),
    ("(a{100}){11}", "a", "undefined"),
    ("(a{100}){10}", "a", "false"),
    ("a{999999999}", "a", "undefined"),
    ("a**", "a", "undefined"),
    ("a*+", "a", "undefined"),
    ("a?{2}", "a", "undefined"),
    ("*a", "a", "undefined"),
    ("(*)", "a", "undefined"),
    ("a|*", "a", "undefined"),
    ("^*a", "a", "true"),
    (r"(?:a*)(?i)*\z", "AA", "true"),
    ("x{", "x{", "true"),
    ("}", "}", "true"),
    ("]", "]", "true"),
    // Groups and flags.
    ("(?=a)a", "a", "undefined"),
    ("(?!a)a", "a", "undefined"),
    ("(?<=a)b", "ab", "undefined"),
    ("(?<!a)b", "ab", "undefined"),
    ("(?>a)b", "ab", "undefined"),
    ("(?x)a", "a", "undefined"),
    ("(?i-)a", "a", "undefined"),
    ("(?)a", "a", "true"),
    ("(?i)abc", "aBC", "true"),
    ("a(?i)b|c", "C", "true"),
    ("(?i:a)b", "AB", "false"),
    ("(?i)(?-i)a", "A", "false"),
    ("(?i)k", "\u{212a}", "true"),
    (r"(?i)^\w$", "\u{17f}", "true"),
    (r"(?i)^[^\W]$", "\u{17f}", "true"),
    ("(?i)^[a-c]$", "B", "true"),
    ("(?i)É", "é", "true"),
    ("(?P<n>a)(?P<n>b)", "ab", "true"),
    ("(?P<1>a)", "a", "true"),
    ("(?P<a-b>a)", "a", "undefined"),
    ("(a", "a", "undefined"),
    ("a)", "a", "undefined"),
    ("()", "", "true"),
    ("(|a)*b", "aab", "true"),
];

#[test]
fn expressions_are_gos() {
    for (pattern, subject, expected) in MATCHES {
        assert_eq!(matches(pattern, subject), *expected, "{pattern} on {subject:?}");
        let valid = if *expected == "undefined" { "false" } else { "true" };
        let args = serde_json::json!([pattern]).to_string();
        assert_eq!(call("regex.is_valid", &args), valid, "{pattern}");
    }
}

#[test]
fn matches_are_found_split_and_replaced() {
    let cases = [
        ("regex.find_n", r#"["a.", "paranormal", 2]"#, r#"["ar","an"]"#),
        ("regex.find_n", r#"["a.", "paranormal", -1]"#, r#"["ar","an","al"]"#),
        ("regex.find_n", r#"["a.", "paranormal", 0]"#, "[]"),
        ("regex.find_n", r#"["a*", "baac", -1]"#, r#"["","aa",""]"#),
        ("regex.find_n", r#"["", "é", -1]"#, r#"["",""]"#),
        ("regex.find_n", r#"["a", "a", 1.0]"#, r#"["a"]"#),
        ("regex.find_n", r#"["(?U)a+", "aa", -1]"#, r#"["a","a"]"#),
        ("regex.find_n", r#"["(?U)a+?", "aa", -1]"#, r#"["aa"]"#),
        (
            "regex.find_all_string_submatch_n",
            r#"["a(x*)b(y)?", "-axxb-ab-", -1]"#,
            r#"[["axxb","xx",""],["ab","",""]]"#,
        ),
        ("regex.find_all_string_submatch_n", r#"["a", "b", -1]"#, "[]"),
        (
            "regex.find_all_string_submatch_n",
            r#"["(a(b)){0}c", "abc", -1]"#,
            r#"[["c","",""]]"#,
        ),
        ("regex.split", r#"["/", "foo//bar"]"#, r#"["foo","","bar"]"#),
        ("regex.split", r#"["a", ""]"#, r#"[""]"#),
        ("regex.split", r#"["", ""]"#, "[]"),
        ("regex.split", r#"["", "abc"]"#, r#"["a","b","c"]"#),
        ("regex.split", r#"["a", "a"]"#, r#"["",""]"#),
        ("regex.split", r#"["b*", "abbc"]"#, r#"["a","c"]"#),
        ("regex.replace", r#"["-ab-axxb-", "a(x*)b", "${1}W"]"#, r#""-W-xxW-""#),
        ("regex.replace", r#"["-ab-axxb-", "a(x*)b", "$1W"]"#, r#""---""#),
        ("regex.replace", r#"["foo", "(?P<x>fo)", "$x$$${x"]"#, r#""fo$${xo""#),
        ("regex.replace", r#"["foo", "^[a-z]", "F"]"#, r#""Foo""#),
        ("regex.replace", r#"["abc", "", "-"]"#, r#""-a-b-c-""#),
        ("regex.replace", r#"["ab", "(?P<n>x)?(?P<n>a)", "[$n]"]"#, r#""[a]b""#),
        ("regex.replace", r#"["ab", "(a)", "$01$2"]"#, r#""b""#),
        ("regex.replace", r#"["a", "[", "b"]"#, "undefined"),
        (
            "regex.template_match",
            r#"["urn:foo:{.*}", "urn:foo:bar:baz", "{", "}"]"#,
            "true",
        ),
        (
            "regex.template_match",
            r#"["urn:foo:<.{3}>", "urn:foo:bar", "<", ">"]"#,
            "true",
        ),
        (
            "regex.template_match",
            r#"["urn.foo:<.*>", "urn:foo:bar", "<", ">"]"#,
            "false",
        ),
        ("regex.template_match", r#"["urn:{.*", "urn:a", "{", "}"]"#, "undefined"),
        (
            "regex.template_match",
            r#"["urn:{.*}", "urn:a", "{{", "}"]"#,
            "undefined",
        ),
        ("regex.is_valid", "[1]", "false"),
        ("regex.match", r#"[1, "a"]"#, "undefined"),
    ];
    for (name, args, expected) in cases {
        assert_eq!(call(name, args), expected, "{name}({args})");
    }
}

#[test]
fn hostile_patterns_cost_budget_and_little_memory() {
    let mut host = Host::new(1_000_000_000);
    let run = find("regex.match").unwrap().run;
    for number in 0..3_000 {
        let pattern = format!("^a{number}$");
        run(&mut host, &[Value::string(pattern), Value::string("b")]).unwrap();
        assert!(host.patterns.len() <= 1_000);
    }
    for number in 0..40 {
        let pattern = format!(r"a{number}\pL{{20}}");
        run(&mut host, &[Value::string(pattern), Value::string("b")]).unwrap();
    }
    assert!(host.patterns.len() <= 16, "{}", host.patterns.len());
    assert!(matches(r"(\pL{30}){30}", "a") == "undefined", "larger than the limit");
    let args = [
        Value::string("x".repeat(100_000)),
        Value::string(""),
        Value::string("y".repeat(100_000)),
    ];
    let replaced = (find("regex.replace").unwrap().run)(&mut Host::new(100_000), &args);
    assert_eq!(replaced, Err(Fault::Halt(Halt::Limit)));
}
