use super::*;

fn rules(text: &str) -> Vec<String> {
    Scan::of(text).rules.keys().cloned().collect()
}

fn reads(text: &str) -> Vec<String> {
    Scan::of(text).reads.into_iter().collect()
}

fn dialect(text: &str) -> Dialect {
    Scan::of(text).dialect().0
}

#[test]
fn heads_of_both_regos_are_found() {
    let newer = r#"package a.b["c-d"]
default allow := false
allow if input.x
deny contains {"msg": msg} if {
	some x in input.y
	msg := x
}
deny contains "short"
warn contains x if x := input.z
limits[name] := value if { name := "a"; value := 1 }
f(x, [y]) := x + y if { x > 1 } else := 2
a.b.c := 1
_private := 2
"#;
    let scan = Scan::of(newer);
    assert_eq!(scan.package, ["a", "b", "c-d"]);
    assert_eq!(rules(newer), ["_private", "a", "allow", "deny", "f", "limits", "warn"]);
    assert_eq!(
        scan.rules["deny"],
        Shape {
            contains: true,
            ..Shape::default()
        }
    );
    assert_eq!(
        scan.rules["f"],
        Shape {
            function: true,
            ..Shape::default()
        }
    );
    assert_eq!(scan.rules["limits"], Shape::default());
    assert_eq!(scan.dialect().0, Dialect::V1);

    let older = "package a\ndeny[msg] { msg := \"x\" } { msg := \"y\" }
violation[{\"msg\": msg}] {\n  msg := 1\n}\nis_ok(x) { x } else = false { true }\n";
    assert_eq!(rules(older), ["deny", "is_ok", "violation"]);
    assert!(Scan::of(older).rules["violation"].bracket);
}

#[test]
fn names_inside_of_bodies_are_no_rules() {
    let text = r#"package a
x := {
	"deny": 1,
}
allow if
	input.y == 1
z :=
	f(1)
y := 1 +
	two
b if {
	deny := 1
	not warn
} else := violation if {
	c
}
with_it if p with input as
	q
text := `
deny[msg] {
`
# deny[msg] {
"#;
    assert_eq!(rules(text), ["allow", "b", "text", "with_it", "x", "y", "z"]);
}

#[test]
fn the_rego_is_known_by_its_rules() {
    for text in [
        "deny[msg] { msg := 1 }",
        "deny[msg]\n{ msg := 1 }",
        "allow { input.x }",
        "f(x) = y { y := x }",
        "x = {\"a\": 1} { true }",
        "x = {y | y := 1} { true }",
        "import future.keywords.contains\ndeny contains msg { msg := 1 }",
        "import future.keywords\ndeny[msg] if { msg := 1 }",
        "deny[\"constant\"]",
        "import future.keywords.if\nx := 1 if { 1 }\nelse := 2 { 2 }",
    ] {
        assert_eq!(dialect(&format!("package a\n{text}")), Dialect::V0, "{text}");
    }
    for text in [
        "",
        "x = 1",
        "x := {\"a\": 1}",
        "x := y | {1}",
        "x := {1}\ny := {2}",
        "deny contains {\"msg\": 1} if { true }",
        "deny contains {\"msg\": 1}\nx := {2}",
        "deny[msg] if { msg := 1 }",
        "x[1] := {2}",
        "x if {\n\ty\n}\nelse := {1}",
        "default x = {}",
        "default x := {}\nx := {1} if {2}",
        "import rego.v1\nx { y }",
    ] {
        assert_eq!(dialect(&format!("package a\n{text}")), Dialect::V1, "{text}");
    }
    let (_, reason) = Scan::of("package a\n\nallow { true }").dialect();
    assert_eq!(reason, "line 3 has a rule in the older form");
}

#[test]
fn the_first_member_of_input_is_what_is_read() {
    assert_eq!(reads("x if input.request.object"), ["request"]);
    assert_eq!(reads("x if input[\"request\"].kind"), ["request"]);
    assert_eq!(reads("import input.review as r"), ["review"]);
    assert_eq!(reads("x := f(input)"), [""]);
    assert_eq!(reads("x if input[key]"), [""]);
    assert_eq!(reads("x if my.input.request"), Vec::<String>::new());
    assert_eq!(reads("x if \"input.request\" # input.kind"), Vec::<String>::new());
    assert_eq!(
        reads("test_x if deny with input as {} with input.parameters as {}"),
        Vec::<String>::new()
    );
    assert_eq!(reads("x if object.get(input, \"kind\", \"\")"), ["", "kind"]);
    assert_eq!(
        reads("x if object.get(input, [\"request\", \"kind\"], \"\")"),
        ["", "request"]
    );
}

#[test]
fn what_is_used_of_data_is_known() {
    let scan = Scan::of("package a\nimport data.lib.k8s\nx := data.b[\"c\"].d[_]\ny := z.data.q");
    let uses: Vec<String> = scan.uses.iter().map(|path| path.join("/")).collect();
    assert_eq!(uses, ["b/c/d", "lib/k8s"]);
}

#[test]
fn nothing_makes_it_fail() {
    for text in [
        "",
        "package",
        "package \"x\"",
        "deny[",
        "deny contains",
        "default",
        "f(",
        "x :=",
        "} } {",
        "import input",
        "a.b.",
        "x[y][",
    ] {
        Scan::of(text);
    }
}
