use super::*;

fn told(text: &str) -> (Format, String, String) {
    let Detection {
        format,
        entries,
        reason,
    } = detect(&Scan::of(text));
    (format, entries.join(" "), reason)
}

fn check(text: &str, format: Format, entries: &str, reason: &str) {
    assert_eq!(told(text), (format, entries.to_owned(), reason.to_owned()), "{text}");
}

#[test]
fn ours() {
    check(
        "# METADATA\n# title: x\npackage a\ndeny contains x if x := input.request.object.y",
        Format::Native,
        "deny",
        "has METADATA, reads input.request and defines deny",
    );
    check(
        "package a\ndeny contains x if { input.request.object.y; x := input.parameters.z }",
        Format::Native,
        "deny",
        "reads input.request and defines deny with contains",
    );
    check(
        "package a\ndeny contains \"always\"",
        Format::Native,
        "deny",
        "defines deny",
    );
    check(
        "# METADATA\npackage a\ndeny contains x if x := input.parameters.z",
        Format::Native,
        "deny",
        "has METADATA and reads input.parameters and defines deny",
    );
}

#[test]
fn opa_as_a_webhook() {
    check(
        "package kubernetes.admission\ndeny[msg] { input.request.kind.kind == \"Pod\"; msg := \"x\" }",
        Format::Admission,
        "deny",
        "reads input.request and defines deny",
    );
    check(
        "package a\nviolation contains x if x := input.request.y\ndeny contains x if x := input.request.z",
        Format::Admission,
        "deny violation",
        "reads input.request and defines deny and violation",
    );
    check(
        "package a\ndeny contains x if { input.kind == \"AdmissionReview\"; x := input.request.y }",
        Format::Admission,
        "deny",
        "reads input.request and input.kind, and defines deny",
    );
    check(
        "package system\nmain := {\"apiVersion\": \"v1\", \"response\": response}
response := {\"uid\": input.request.uid}",
        Format::Response,
        "main",
        "is the package system and defines main",
    );
}

#[test]
fn gatekeeper() {
    check(
        "package k8srequiredlabels\nviolation[{\"msg\": msg}] { input.review.object; msg := input.parameters.x }",
        Format::Gatekeeper,
        "violation",
        "reads input.review and defines violation",
    );
    check(
        "package a\nviolation contains {\"msg\": x} if x := input.parameters.x",
        Format::Gatekeeper,
        "violation",
        "reads input.parameters and defines violation",
    );
}

#[test]
fn conftest() {
    check(
        "package main\ndeny[msg] { input.kind == \"Pod\"; msg := \"x\" }\nwarn_latest[msg] { msg := input.spec.x }
violation_a_b[msg] { msg := 1 }",
        Format::Conftest,
        "deny violation_a_b warn_latest",
        "reads input.kind, a field of the object itself, and defines deny, violation_a_b and warn_latest",
    );
    check(
        "package team.web\ndeny contains x if x := input.metadata.labels.x",
        Format::Conftest,
        "deny",
        "reads input.metadata, a field of the object itself, and defines deny",
    );
    check(
        "package main\ndeny contains x if x := f(input)",
        Format::Conftest,
        "deny",
        "is the package main and defines deny",
    );
    check(
        "package main\nwarn contains \"x\"",
        Format::Conftest,
        "warn",
        "is the package main and defines warn",
    );
}

#[test]
fn what_decides_nothing() {
    check(
        "package lib\nimages := {x | x := input.request.object.y}",
        Format::Library,
        "",
        "defines neither deny nor violation",
    );
    check(
        "package lib\ndeny(x) := x",
        Format::Library,
        "",
        "defines neither deny nor violation",
    );
    check(
        "package lib\ndenylist[x] { x := 1 }",
        Format::Library,
        "",
        "defines neither deny nor violation",
    );
    check(
        "package a_test\ntest_x if { true }\ntodo_test_y if { true }",
        Format::Tests,
        "",
        "defines nothing but tests",
    );
    check("", Format::Library, "", "defines neither deny nor violation");
}

#[test]
fn what_is_unclear_comes_with_a_remedy() {
    let unclear = |text: &str, part: &str| {
        let (format, _, reason) = told(text);
        assert_eq!(format, Format::Unclear, "{text}: {reason}");
        assert!(reason.contains(part), "{text}: {reason}");
    };
    unclear(
        "package a\ndefault allow = false\nallow { input.request.x }",
        "write `deny contains message if not allow`",
    );
    unclear(
        "package a\ndeny if input.request.x",
        "defines deny, which is not a set; write `deny contains message if",
    );
    unclear(
        "package a\ndeny_x[m] { m := input.request.y }",
        "defines deny_x, which nothing asks for",
    );
    unclear("package a\ndeny[m] { m := f(input) }", "does not read input.request");
    unclear("package a\nwarn contains \"x\"", "name the package main for conftest");
}
