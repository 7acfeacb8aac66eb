//! `glob.*`: patterns as gobwas/glob 1.0 reads them, which is what OPA uses.

use super::operands::{any, array, text, units, wrong};
use super::regex::compiled;
use super::{Builtin, Fault, Host};
use crate::rego::value::Value;

mod intersection;

pub(super) const TABLE: &[Builtin] = &[
    Builtin::new("glob.match", 3, is_match),
    Builtin::new("glob.quote_meta", 1, quote_meta),
    Builtin::new("regex.globs_match", 2, intersection::run),
];

/// Groups in groups; see the expressions.
const DEPTH: usize = 100;

fn is_match(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let pattern = text(args, 0)?;
    let mut delimiters = String::new();
    match any(args, 1)? {
        Value::Null => {}
        Value::Array(_) => {
            for item in array(args, 1)? {
                let mut chars = item.as_str().unwrap_or_default().chars();
                match (chars.next(), chars.next()) {
                    (Some(delimiter), None) => delimiters.push(delimiter),
                    _ => return Err(Fault::new("operand 2 must be an array of single characters")),
                }
            }
            if delimiters.is_empty() {
                delimiters.push('.');
            }
        }
        other => return Err(wrong(1, other, "one of {array, null}")),
    }
    let subject = text(args, 2)?;
    host.spend(units(pattern.len() * 4) + units(subject.len()) * units(pattern.len()))?;
    // The count keeps delimiters and pattern apart.
    let key = format!("\0glob\0{}\0{delimiters}{pattern}", delimiters.len());
    let expression = compiled(host, &key, || expression(pattern, &delimiters))?;
    Ok(Value::Bool(expression.is_match(subject)))
}

fn quote_meta(host: &mut Host, args: &[Value]) -> Result<Value, Fault> {
    let pattern = text(args, 0)?;
    host.spend(units(pattern.len()))?;
    let mut quoted = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        if r"*?\[]{}".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    Ok(Value::string(quoted))
}

/// The regular expression for a glob.
fn expression(pattern: &str, delimiters: &str) -> Result<String, &'static str> {
    let mut within = String::from("[^");
    delimiters
        .chars()
        .for_each(|delimiter| character(&mut within, delimiter));
    within.push(']');
    // What `?` matches, and what `*` repeats.
    let one = if delimiters.is_empty() {
        "(?s:.)"
    } else {
        within.as_str()
    };
    let mut out = String::from(r"\A(?:");
    let mut depth = 0_usize;
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.as_str().starts_with('*') => {
                rest.next();
                out.push_str("(?s:.)*");
            }
            '*' => {
                out.push_str(one);
                out.push('*');
            }
            '?' => out.push_str(one),
            '[' => class(&mut out, &mut rest)?,
            '{' => {
                depth += 1;
                if depth > DEPTH {
                    return Err("nests too deeply");
                }
                out.push_str("(?:");
            }
            ',' if depth > 0 => out.push('|'),
            '}' if depth > 0 => {
                depth -= 1;
                out.push(')');
            }
            '\\' => character(&mut out, rest.next().ok_or("trailing backslash")?),
            _ => character(&mut out, c),
        }
    }
    if depth > 0 {
        return Err("unclosed `{`");
    }
    out.push_str(r")\z");
    Ok(out)
}

/// What follows a `[`: one range, or a list of characters; a `-` in a list is a character.
fn class(out: &mut String, rest: &mut std::str::Chars<'_>) -> Result<(), &'static str> {
    const UNCLOSED: &str = "unclosed `[`";
    let mut first = rest.next().ok_or(UNCLOSED)?;
    let negated = first == '!';
    if negated {
        first = rest.next().ok_or(UNCLOSED)?;
    }
    out.push_str(if negated { "[^" } else { "[" });
    if rest.as_str().starts_with('-') {
        rest.next();
        let last = rest.next().ok_or(UNCLOSED)?;
        if last < first {
            return Err("range hi character is less than lo");
        }
        character(out, first);
        out.push('-');
        character(out, last);
        if rest.next() != Some(']') {
            return Err("expected close range character");
        }
    } else {
        let mut members = 0;
        let mut next = first;
        while next != ']' {
            let member = if next == '\\' {
                rest.next().ok_or(UNCLOSED)?
            } else {
                next
            };
            character(out, member);
            members += 1;
            next = rest.next().ok_or(UNCLOSED)?;
        }
        if members == 0 {
            return Err("empty class");
        }
    }
    out.push(']');
    Ok(())
}

fn character(out: &mut String, c: char) {
    out.push_str(&format!(r"\x{{{:X}}}", u32::from(c)));
}

#[cfg(test)]
mod tests {
    use super::super::{Host, find};
    use crate::rego::value::Value;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn call(name: &str, args: &serde_json::Value) -> String {
        let args = Value::from(args);
        let result = (find(name).unwrap().run)(&mut Host::new(1_000_000), args.as_array().unwrap());
        result.map_or_else(|_| "undefined".to_owned(), |value| value.to_json().to_string())
    }

    #[test]
    fn globs_are_those_of_gobwas() {
        use serde_json::{Value as Json, json};
        let none = Json::Null;
        let cases = [
            ("*.github.com", json!([]), "api.github.com", "true"),
            ("*.github.com", json!([]), "api.cdn.github.com", "false"),
            ("*.github.com", none.clone(), "api.cdn.github.com", "true"),
            ("*:github:com", json!([":"]), "api:github:com", "true"),
            ("api.**.com", json!(["."]), "api.cdn.github.com", "true"),
            ("?at", json!([]), "cat", "true"),
            ("?at", json!([]), "at", "false"),
            ("?at", json!([]), ".at", "false"),
            ("?at", none.clone(), ".at", "true"),
            ("[abc]at", json!([]), "bat", "true"),
            ("[!abc]at", json!([]), "bat", "false"),
            ("[^a]", json!([]), "^", "true"),
            ("[a-c]at", json!([]), "bat", "true"),
            ("[!a-c]at", json!([]), "lat", "true"),
            ("[abc-e]", json!([]), "d", "false"),
            ("[a-cx]", json!([]), "a", "undefined"),
            ("[c-a]", json!([]), "a", "undefined"),
            ("[]", json!([]), "a", "undefined"),
            ("[a", json!([]), "a", "undefined"),
            (r"[\]]", json!([]), "]", "true"),
            ("{cat,bat,[fr]at}", json!([]), "rat", "true"),
            ("{cat,bat,[fr]at}", json!([]), "at", "false"),
            ("{a,}b", json!([]), "b", "true"),
            ("{}", json!([]), "", "true"),
            ("{a{b,c},d}", json!([]), "ac", "true"),
            ("{a", json!([]), "a", "undefined"),
            ("a}", json!([]), "a}", "true"),
            ("a,b", json!([]), "a,b", "true"),
            (r"{a\,b,c}", json!([]), "a,b", "true"),
            (r"a\*", json!([]), "a*", "true"),
            (r"a\", json!([]), "a", "undefined"),
            ("a(b)+$", json!([]), "a(b)+$", "true"),
            ("*", none.clone(), "a\nb", "true"),
            ("*", json!(["", "."]), "a", "undefined"),
            ("*", json!(["..", "."]), "a", "undefined"),
            ("*", json!("."), "a", "undefined"),
            ("a.*", json!(["a.", "b"]), "a", "undefined"),
            ("*b.*", json!(["-", "^", "]"]), "x^b.", "false"),
        ];
        for (pattern, delimiters, subject, expected) in cases {
            let args = json!([pattern, delimiters, subject]);
            assert_eq!(call("glob.match", &args), expected, "{args}");
        }
        assert_eq!(
            call("glob.quote_meta", &json!(["*.a?[b]{c}\\,!-"])),
            r#""\\*.a\\?\\[b\\]\\{c\\}\\\\,!-""#
        );
    }

    #[test]
    fn expressions_of_two_globs_are_intersected() {
        let cases = [
            ("a.a.[0-9]+z", "b.b.[0-9]+z", "false"),
            ("[a-z]+", "[0-9]*", "false"),
            ("[a-z]*foo", ".+", "true"),
            ("a", "a*", "true"),
            ("a+b*c", "ab", "false"),
            (".*ab", "xa.", "true"),
            ("pqrs", ".+rs", "true"),
            ("[ab", "a", "undefined"),
            ("+", "a", "undefined"),
            ("a]", "a", "undefined"),
            (r"a\+", "a+", "false"),
            ("", "", "true"),
            ("", "a", "false"),
        ];
        for (a, b, expected) in cases {
            assert_eq!(
                call("regex.globs_match", &serde_json::json!([a, b])),
                expected,
                "{a} and {b}"
            );
        }
    }
}
