use super::super::{Fault, Halt, Host, find};
use crate::rego::json;
use crate::rego::value::Value;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn run(name: &str, args: &[Value], budget: u64) -> Result<Value, Fault> {
    (find(name).unwrap().run)(&mut Host::new(budget), args)
}

fn written(result: Result<Value, Fault>) -> String {
    result.map_or_else(
        |_| "undefined".to_owned(),
        |value| super::json::written(&mut Host::new(1_000), &value, None).unwrap(),
    )
}

/// What OPA gives.
const CASES: &[(&str, &str, &str)] = &[
    ("base64.encode", r#"["lorem ipsum?>"]"#, r#""bG9yZW0gaXBzdW0/Pg==""#),
    ("base64.decode", r#"["YQ=\n="]"#, r#""a""#),
    ("base64.decode", r#"["YR=="]"#, r#""a""#),
    ("base64.decode", r#"["YQ"]"#, "undefined"),
    ("base64.decode", r#"["YQ==x"]"#, "undefined"),
    ("base64.decode", r#"["Y Q=="]"#, "undefined"),
    ("base64.decode", r#"["-_8="]"#, "undefined"),
    ("base64.decode", r#"[""]"#, r#""""#),
    ("base64.is_valid", r#"["YQ=="]"#, "true"),
    ("base64.is_valid", r#"["YQ="]"#, "false"),
    ("base64.is_valid", "[1]", "false"),
    ("base64url.encode", r#"["??>>é"]"#, r#""Pz8-PsOp""#),
    ("base64url.encode_no_pad", r#"["??>>é"]"#, r#""Pz8-PsOp""#),
    ("base64url.decode", r#"["YQ"]"#, r#""a""#),
    ("base64url.decode", r#"["YQ=="]"#, r#""a""#),
    ("base64url.decode", r#"["Pz8-PsOp"]"#, r#""??>>é""#),
    ("base64url.decode", r#"["Pz8+PsOp"]"#, "undefined"),
    ("base64url.decode", r#"["YQ="]"#, "undefined"),
    ("base64url.decode", r#"["Y"]"#, "undefined"),
    ("hex.encode", r#"["é?"]"#, r#""c3a93f""#),
    ("hex.decode", r#"["c3A9"]"#, r#""é""#),
    ("hex.decode", r#"["c3a"]"#, "undefined"),
    ("hex.decode", r#"["zz"]"#, "undefined"),
    ("hex.decode", r#"["+1"]"#, "undefined"),
    (
        "urlquery.encode",
        r#"["a b&c=d/~é.-_*"]"#,
        r#""a+b%26c%3Dd%2F~%C3%A9.-_%2A""#,
    ),
    ("urlquery.decode", r#"["a+b%26c%c3%A9"]"#, r#""a b&cé""#),
    ("urlquery.decode", r#"["%2"]"#, "undefined"),
    ("urlquery.decode", r#"["%zz"]"#, "undefined"),
    (
        "urlquery.encode_object",
        r#"[{"b":["x y","z"],"a":"~é&","c":[]}]"#,
        r#""a=~%C3%A9%26&b=x+y&b=z""#,
    ),
    ("urlquery.encode_object", r#"[{"a":1}]"#, "undefined"),
    ("urlquery.encode_object", r#"[{"a":[1]}]"#, "undefined"),
    ("urlquery.encode_object", "[[1]]", "undefined"),
    (
        "urlquery.decode_object",
        r#"["a=1&a=2&b&=x&&c=%20+"]"#,
        r#"{"":["x"],"a":["1","2"],"b":[""],"c":["  "]}"#,
    ),
    ("urlquery.decode_object", r#"["a;b=1"]"#, "undefined"),
    ("urlquery.decode_object", r#"["a=%"]"#, "undefined"),
    ("urlquery.decode_object", r#"[""]"#, "{}"),
    (
        "json.marshal",
        r#"[{"b":[1,2.50,1e3,-0.0,null,true],"a":{"<":">&"},"é":"\u2028\u0001\b\f\n\r\t\"\\/\u007f"}]"#,
        r#""{\"a\":{\"\\u003c\":\"\\u003e\\u0026\"},\"b\":[1,2.50,1e3,-0.0,null,true],\"é\":\"\\u2028\\u0001\\b\\f\\n\\r\\t\\\"\\\\/\"}""#,
    ),
    ("json.marshal", r#"["x"]"#, r#""\"x\"""#),
    (
        "json.marshal_with_options",
        r#"[{"a":[1,{}],"b":[]}, {"prefix":">","indent":"  "}]"#,
        r#"">{\n>  \"a\": [\n>    1,\n>    {}\n>  ],\n>  \"b\": []\n>}""#,
    ),
    (
        "json.marshal_with_options",
        r#"[{"a":[1]}, {"pretty":true}]"#,
        r#""{\n\t\"a\": [\n\t\t1\n\t]\n}""#,
    ),
    (
        "json.marshal_with_options",
        r#"[{"a":[1]}, {"pretty":false,"indent":"  "}]"#,
        r#""{\"a\":[1]}""#,
    ),
    ("json.marshal_with_options", r#"[{"a":[1]}, {}]"#, r#""{\"a\":[1]}""#),
    ("json.marshal_with_options", r#"[[], {"pretty":true}]"#, r#""[]""#),
    ("json.marshal_with_options", r#"[[], {"prety":true}]"#, "undefined"),
    ("json.marshal_with_options", r#"[[], {"pretty":1}]"#, "undefined"),
    ("json.marshal_with_options", r#"[[], {"indent":1}]"#, "undefined"),
    (
        "json.unmarshal",
        r#"["{\"a\": [1, 2.50, \"\\u00e9\"], \"a\": 1}"]"#,
        r#"{"a":1}"#,
    ),
    ("json.unmarshal", r#"[" 1 "]"#, "1"),
    (
        "json.unmarshal",
        r#"["\"\\ud800x\\ud83d\\ude00\\udc00\""]"#,
        r#""�x😀�""#,
    ),
    ("json.unmarshal", r#"["\"\\\\ud800\""]"#, r#""\\ud800""#),
    ("json.unmarshal", r#"["[1"]"#, "undefined"),
    ("json.unmarshal", r#"["[1] x"]"#, "undefined"),
    ("json.unmarshal", r#"["[01]"]"#, "undefined"),
    ("json.unmarshal", r#"["nul"]"#, "undefined"),
    ("json.unmarshal", r#"[""]"#, "undefined"),
    ("json.is_valid", r#"["[1]"]"#, "true"),
    ("json.is_valid", r#"["[1,]"]"#, "false"),
    ("json.is_valid", r#"["\"\\ud800\""]"#, "true"),
    ("json.is_valid", "[1]", "false"),
    ("yaml.unmarshal", "[1]", "undefined"),
    (
        "yaml.unmarshal",
        r#"["\"<<\": {a: 1}\nb: 1"]"#,
        r#"{"<<":{"a":1},"b":1}"#,
    ),
    ("yaml.unmarshal", r#"["? [1,2]\n: 3"]"#, "undefined"),
    ("yaml.unmarshal", r#"["null: 1"]"#, "undefined"),
    ("yaml.unmarshal", r#"["a: *x"]"#, "undefined"),
    ("yaml.unmarshal", r#"["- &a [*a]"]"#, "undefined"),
    ("yaml.unmarshal", r#"["! a: ! 1"]"#, r#"{"a":1}"#),
    ("yaml.unmarshal", r#"["!!map {a: 1}"]"#, r#"{"a":1}"#),
    ("yaml.unmarshal", r#"["!!seq {a: 1}"]"#, r#"{"a":1}"#),
    ("yaml.unmarshal", r#"["a: !!bool yes"]"#, "undefined"),
    ("yaml.unmarshal", r#"["a: !!bool true"]"#, r#"{"a":true}"#),
    ("yaml.unmarshal", r#"["a: !!bool \"true\""]"#, r#"{"a":true}"#),
    ("yaml.unmarshal", r#"["a: !!null x"]"#, "undefined"),
    ("yaml.unmarshal", r#"["a: !!null \"\""]"#, r#"{"a":null}"#),
    ("yaml.unmarshal", r#"["a: !!float 3\nb: !!int 3"]"#, r#"{"a":3,"b":3}"#),
    ("yaml.unmarshal", r#"["a: !!int 3.0"]"#, "undefined"),
    ("yaml.unmarshal", r#"["a: !!str"]"#, r#"{"a":""}"#),
    (
        "yaml.unmarshal",
        r#"["a: +.5\nb: -.5e-7\nc: 1.\nd: 0x\ne: +1_0\nf: 0b12\ng: 1e-7\nh: 1e21\ni: 123456789.123\nj: 1__0\nk: _1\nl: 0o8\nm: -0b1\nn: +0x1\no: .5.\np: 1e5\nq: .1_0\nr: 0x1p3\ns: -08\nt: 0_7\nu: .e1"]"#,
        r#"{"a":0.5,"b":-5e-8,"c":1,"d":"0x","e":10,"f":"0b12","g":1e-7,"h":1e+21,"i":123456789.123,"j":10,"k":"_1","l":"0o8","m":-1,"n":1,"o":".5.","p":100000,"q":0.1,"r":"0x1p3","s":-8,"t":7,"u":".e1"}"#,
    ),
    ("yaml.unmarshal", r#"["2001-01-01: 1"]"#, r#"{"2001-01-01":1}"#),
    ("yaml.unmarshal", r#"["~: 1"]"#, "undefined"),
    (
        "yaml.unmarshal",
        r#"["a: &x {b: 1, c: 1}\nd: {<<: [*x, {b: 2, e: 2}], c: 3}\n"]"#,
        r#"{"a":{"b":1,"c":1},"d":{"b":1,"c":3,"e":2}}"#,
    ),
    (
        "yaml.unmarshal",
        r#"["a: {<<: {b: 1}, <<: {b: 2, c: 2}}"]"#,
        r#"{"a":{"b":1,"c":2}}"#,
    ),
    ("yaml.unmarshal", r#"["a: {<<: 1}"]"#, "undefined"),
    ("yaml.unmarshal", r#"["a: {<<: [1]}"]"#, "undefined"),
    ("yaml.unmarshal", r#"["a: {<<: null}"]"#, "undefined"),
    ("yaml.unmarshal", r#"["a: {<<: []}"]"#, r#"{"a":{}}"#),
    ("yaml.unmarshal", r#"["a: <<"]"#, r#"{"a":"<<"}"#),
    ("yaml.unmarshal", r#"["- <<"]"#, r#"["<<"]"#),
    ("yaml.unmarshal", r#"["a: !!merge b"]"#, r#"{"a":"b"}"#),
    ("yaml.unmarshal", r#"["---\n...\n---\na"]"#, "null"),
    ("yaml.is_valid", r#"["a: ["]"#, "false"),
    ("yaml.is_valid", r#"["a: .nan"]"#, "false"),
    ("yaml.unmarshal", r#"["a:\tb"]"#, r#"{"a":"b"}"#),
    (
        "yaml.unmarshal",
        r#"["a: |\n  x\n  y\nb: >\n  x\n  y\n"]"#,
        r#"{"a":"x\ny\n","b":"x y\n"}"#,
    ),
    ("yaml.unmarshal", r#"["%YAML 1.2\n---\na"]"#, "undefined"),
    ("yaml.unmarshal", r#"["%YAML 1.1\n---\na"]"#, r#""a""#),
    (
        "yaml.unmarshal",
        r#"["true: 1\nTRUE: 2\n\"true\": 3"]"#,
        r#"{"true":3}"#,
    ),
    (
        "yaml.unmarshal",
        r#"["a: 'it''s'\nb: \"\\u00e9\\n\""]"#,
        r#"{"a":"it's","b":"é\n"}"#,
    ),
    ("yaml.unmarshal", r#"["1: a\n\"1\": b\n0x1: c"]"#, r#"{"1":"c"}"#),
    ("yaml.unmarshal", r#"["a: b: c"]"#, "undefined"),
    ("yaml.unmarshal", r#"["a:\n- 1\n- 2"]"#, r#"{"a":[1,2]}"#),
    ("yaml.unmarshal", r#"["  a:\nb: 1"]"#, "undefined"),
    ("yaml.unmarshal", r#"["a: @x"]"#, "undefined"),
    ("yaml.unmarshal", r#"["a: !<tag:yaml.org,2002:str> 1"]"#, r#"{"a":"1"}"#),
    ("yaml.unmarshal", r#"["!!omap [a: 1]"]"#, r#"[{"a":1}]"#),
    ("yaml.unmarshal", r#"["a: !x {b: 1}"]"#, r#"{"a":{"b":1}}"#),
    ("yaml.unmarshal", r#"["a: &x 1\nb: *x"]"#, r#"{"a":1,"b":1}"#),
    ("yaml.unmarshal", r#"["a: # c\n  b"]"#, r#"{"a":"b"}"#),
    ("yaml.unmarshal", r#"[""]"#, "null"),
    ("yaml.unmarshal", r##"["# only"]"##, "null"),
    ("yaml.unmarshal", r#"["a: \"x\n  y\""]"#, r#"{"a":"x y"}"#),
    ("yaml.unmarshal", r#"["a: 12:30:45"]"#, r#"{"a":"12:30:45"}"#),
    ("yaml.unmarshal", r#"["a: 1.5e+3\nb: 1E3"]"#, r#"{"a":1500,"b":1000}"#),
    (
        "yaml.unmarshal",
        r#"["1.5: a\n100000.5: b\n1e20: c\n-0.0: d\n0.00001: e"]"#,
        r#"{"-0":"d","1.5":"a","100000.5":"b","1e+20":"c","1e-05":"e"}"#,
    ),
    (
        "yaml.marshal",
        r#"[{"x": 123456789012345678901234567890, "y": 18446744073709551615, "z": 18446744073709551616, "w": 0.00001, "v": 1e20, "u": 1e21, "t": -0.5, "s": 1e400}]"#,
        r#""s: 1e400\nt: -0.5\nu: 1e+21\nv: 1e+20\nw: 1e-05\nx: 1.2345678901234568e+29\n\"y\": 18446744073709551615\nz: 1.8446744073709552e+19\n""#,
    ),
    (
        "yaml.marshal",
        r#"[{"x": 1.0, "y": 1e3, "z": 100000000.0}]"#,
        r#""x: 1\n\"y\": 1000\nz: 1e+08\n""#,
    ),
    (
        "yaml.marshal",
        r#"[{"a10":1,"a9":1,"A":1,"a":1,"b":1,"_":1,"-":1,"1":1,"10":1,"2":1,"a-b":1,"a.b":1,"a1b":1,"a01":1,"a1":1,"aB":1,"é":1,"a b":1,"":1}]"#,
        r#""\"\": 1\n'-': 1\n_: 1\n\"1\": 1\n\"2\": 1\n\"10\": 1\nA: 1\na: 1\na b: 1\na-b: 1\na.b: 1\na1: 1\na1b: 1\na01: 1\na9: 1\na10: 1\naB: 1\nb: 1\né: 1\n""#,
    ),
    (
        "yaml.marshal",
        r#"[{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":{"b":1}, "c":{"d":[{"e":"x\ny"},["f"]]}, "g":[[]], "h":[{}], "i":[[{"j":[1]}]]}]"#,
        r#""? aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n: b: 1\nc:\n  d:\n    - e: |-\n        x\n        y\n    - - f\ng:\n  - []\nh:\n  - {}\ni:\n  - - j:\n        - 1\n""#,
    ),
    (
        "yaml.marshal",
        r#"[{"bbaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":[1,2],"a\nb":"x", "a\nc":[1]}]"#,
        r#""? |-\n  a\n  b\n: x\n? |-\n  a\n  c\n: - 1\n? bbaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n: - 1\n  - 2\n""#,
    ),
    ("yaml.marshal", r#"["x\n\n"]"#, r#""|+\n  x\n\n""#),
    ("yaml.marshal", r#"[["x\n\n","y"]]"#, r#""- |+\n  x\n\n- \"y\"\n""#),
    ("yaml.marshal", r#"[{"a":"x\n\n"}]"#, r#""a: |+\n  x\n\n""#),
    (
        "yaml.marshal",
        r##"[["#a", "a #b", "a#b", "a:b", "a: b", "a:", ":a", ": a", "-a", "-", "- a", "?a", "? a", "---", "--- a", "...", "..a", "@a", "`a", "%a", "a%", "!a", "&a", "*a", "|", ">", "'a'", "\"a\"", "a\"b", "a'b", "a'b: c", "[a]", "{a}", "a,b", ",a", "a ", " a "]]"##,
        r#""- '#a'\n- 'a #b'\n- a#b\n- a:b\n- 'a: b'\n- 'a:'\n- :a\n- ': a'\n- -a\n- '-'\n- '- a'\n- ?a\n- '? a'\n- '---'\n- '--- a'\n- '...'\n- ..a\n- '@a'\n- '`a'\n- '%a'\n- a%\n- '!a'\n- '&a'\n- '*a'\n- '|'\n- '>'\n- '''a'''\n- '\"a\"'\n- a\"b\n- a'b\n- 'a''b: c'\n- '[a]'\n- '{a}'\n- a,b\n- ',a'\n- 'a '\n- ' a '\n""#,
    ),
    (
        "yaml.marshal",
        r#"[["true", "True", "null", "~", "1", "1.5", "0x1f", "0o7", "1_0", ".5", ".inf", "+1", "1e3", "2001-01-01", "2001-1-1", "2001-01-01T00:00:00Z", "2001-01-32", "12:30", "12:30:45.5", "-1:20", "1:60", "=", "<<", "y", "on", "No", "oN", "08", "1e400", "_1", "é", " x"]]"#,
        r#""- \"true\"\n- \"True\"\n- \"null\"\n- \"~\"\n- \"1\"\n- \"1.5\"\n- \"0x1f\"\n- \"0o7\"\n- \"1_0\"\n- \".5\"\n- \".inf\"\n- \"+1\"\n- \"1e3\"\n- \"2001-01-01\"\n- \"2001-1-1\"\n- \"2001-01-01T00:00:00Z\"\n- 2001-01-32\n- \"12:30\"\n- \"12:30:45.5\"\n- \"-1:20\"\n- 1:60\n- =\n- <<\n- \"y\"\n- \"on\"\n- \"No\"\n- oN\n- \"08\"\n- 1e400\n- _1\n- é\n- ' x'\n""#,
    ),
    (
        "yaml.marshal",
        r#"[["a\rb", "a\tb", "a\\b", "\u0007", "\u0001x", "a\nb", "a\n", "a\n\n", "\na", " \na", "a \nb", "a\n b", "a\n  b\n", "a\r\nb", "\t\na", "😀\nb", "a\tb\nc", "", "/", "a/b", "$x", "(a)", "a=b","x: y\nz", "-- a"]]"#,
        r#""- \"a\\rb\"\n- \"a\\tb\"\n- a\\b\n- \"\\a\"\n- \"\\x01x\"\n- |-\n  a\n  b\n- |\n  a\n- |+\n  a\n\n- |2-\n\n  a\n- \" \\na\"\n- \"a \\nb\"\n- |-\n  a\n   b\n- |\n  a\n    b\n- \"a\\r\\nb\"\n- |-\n  \t\n  a\n- \"\\U0001F600\\nb\"\n- |-\n  a\tb\n  c\n- \"\"\n- /\n- a/b\n- $x\n- (a)\n- a=b\n- |-\n  x: y\n  z\n- -- a\n""#,
    ),
    ("yaml.unmarshal", r#"["a: |\n  x"]"#, r#"{"a":"x"}"#),
    ("yaml.unmarshal", r#"["- >-\n  x\n- |\n  y\n"]"#, r#"["x","y\n"]"#),
    ("yaml.is_valid", r#"["a: b: c"]"#, "false"),
    ("yaml.is_valid", "[1]", "false"),
    ("yaml.is_valid", r#"["a: !!int x"]"#, "false"),
];

#[test]
fn formats_are_gos() {
    for (name, args, expected) in CASES {
        let values = json::parse(args.as_bytes()).unwrap();
        let result = written(run(name, values.as_array().unwrap(), 100_000));
        let expected = match *expected {
            "undefined" => "undefined".to_owned(),
            expected => written(Ok(json::parse(expected.as_bytes()).unwrap())),
        };
        assert_eq!(result, expected, "{name}({args})");
    }
}

#[test]
fn keys_and_sets_become_texts_and_lists() {
    let pair = |key: Value, value: i64| (key, Value::from(value));
    let list = Value::array(vec![Value::from(1_i64), "<".into()]);
    let object = Value::object(vec![
        pair(list, 1),
        pair(1_i64.into(), 2),
        pair("1".into(), 3),
        pair(Value::Null, 4),
    ]);
    let value = Value::set(vec![object, 3_i64.into(), 1_i64.into()]);
    let json = run("json.marshal", std::slice::from_ref(&value), 1_000).unwrap();
    assert_eq!(json.as_str().unwrap(), r#"[1,3,{"1":3,"[1,\"\\u003c\"]":1,"null":4}]"#);
    let yaml = run("yaml.marshal", &[value], 1_000).unwrap();
    assert_eq!(
        yaml.as_str().unwrap(),
        "- 1\n- 3\n- '[1,\"\\u003c\"]': 1\n  \"1\": 3\n  \"null\": 4\n"
    );
}

#[test]
fn texts_that_grow_or_nest_cost_budget() {
    let deep = Value::string("[".repeat(100_000));
    assert_eq!(
        run("json.unmarshal", std::slice::from_ref(&deep), 1_000_000),
        Err(Fault::Halt(Halt::Limit))
    );
    assert_eq!(
        run("json.is_valid", std::slice::from_ref(&deep), 1_000_000),
        Ok(Value::Bool(false))
    );
    assert!(run("yaml.unmarshal", &[deep], 1_000_000).is_err());
    let laugh = |n: u32| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 8].join(","));
    let laughs = (1..20).map(laugh).collect::<Vec<_>>().concat();
    let laughs = Value::string(format!("a0: &a0 x\n{laughs}"));
    assert_eq!(
        run("yaml.unmarshal", &[laughs], 1_000_000),
        Err(Fault::Halt(Halt::Limit))
    );
    let long = Value::string("x".repeat(100_000));
    for name in [
        "json.marshal",
        "yaml.marshal",
        "base64.encode",
        "hex.encode",
        "urlquery.encode",
    ] {
        assert_eq!(
            run(name, std::slice::from_ref(&long), 100),
            Err(Fault::Halt(Halt::Limit)),
            "{name}"
        );
    }
}
