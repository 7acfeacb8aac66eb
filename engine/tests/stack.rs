//! Nothing that a policy, a constraint or a review says overflows the stack: that would end the whole process, where a thread has
//! 2 MiB as a rule, and in wasm the module, which has 1 MiB.

#![cfg(test)]
#![cfg(not(target_arch = "wasm32"))]

use engine::admission::Review;
use engine::answer::decide;
use engine::cases::CaseFile;
use engine::context::Context;
use engine::eval::PolicySet;
use engine::policy::{self, bundle::Bundle, compile::compile, settings::Settings};
use engine::verdict::FailureKind;
use serde_json::{Value, json};

/// Runs with a small stack. Frames are several times larger in builds for debugging.
fn small<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let size = if cfg!(debug_assertions) { 2 << 20 } else { 1 << 20 };
    let thread = std::thread::Builder::new().stack_size(size).spawn(run);
    thread.unwrap().join().unwrap()
}

fn compiled(sources: &[(&str, String)]) -> Result<PolicySet, String> {
    let sources: Vec<(String, String)> = sources
        .iter()
        .map(|(file, text)| ((*file).to_owned(), text.clone()))
        .collect();
    compile(&Bundle::new(Settings::default(), sources), Context::default()).map_err(|problems| policy::list(&problems))
}

fn rego(text: &str) -> Result<PolicySet, String> {
    compiled(&[("deep.rego", format!("package deep\n\n{text}\n"))])
}

fn review(labels: &Value) -> Review {
    let object = json!({
        "apiVersion": "v1", "kind": "Pod", "spec": {"containers": []},
        "metadata": {"name": "web", "namespace": "shop", "labels": labels},
    });
    let request = json!({
        "uid": "u-1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "namespace": "shop",
        "name": "web", "userInfo": {"username": "jane"}, "oldObject": null, "object": object,
    });
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    Review::parse(review.to_string().as_bytes()).unwrap()
}

/// The failure of the policy, if it fails, and the whole answer with its fixes.
fn judged(set: &PolicySet, review: &Review) -> (Option<(FailureKind, String)>, String) {
    let verdict = set.evaluate(review);
    let failure = verdict
        .failures()
        .first()
        .map(|failure| (failure.kind, failure.detail.clone()));
    (failure, format!("{:?}", decide(set, review).own_answer()))
}

#[test]
fn chains_of_operators_are_refused_with_their_line() {
    let chains = [
        ("1", "+1", ""),
        ("1", " *\n 1", ""),
        ("{1}", "|{1}", ""),
        ("{1}", " & {1}", ""),
        ("1", " == 1", ""),
        ("1", " in [1]", ""),
        ("", "-", "1"),
        ("", "- ", "y"),
        ("y", ".a", ""),
        ("y", "[0]", ""),
        ("y", "[y]", ""),
    ];
    for (first, each, last) in chains {
        for count in [101, 400, 100_000] {
            let text = format!(
                "deny contains \"a\" if {{\n\tx := {first}{}{last}\n}}\n\ny := 1\n",
                each.repeat(count)
            );
            let refused = small(move || rego(&text).err()).unwrap();
            assert!(
                refused.contains("more than 100 operators, signs and steps in each other; split it"),
                "{refused}"
            );
            assert!(refused.starts_with("deep.rego:"), "{refused}");
        }
        let text = format!(
            "deny contains \"a\" if {{\n\tx := {first}{}{last}\n}}\n\ny := 1\n",
            each.repeat(95)
        );
        small(move || match rego(&text) {
            Ok(set) => drop(judged(&set, &review(&json!({})))),
            Err(refused) => assert!(!refused.contains("more than"), "{refused}"),
        });
    }
}

#[test]
fn what_is_long_but_not_nested_is_read() {
    let many = 2_000;
    for text in [
        format!(
            "f(x) := 1 if {{ x == 1 }}{}\n\ny := f(2)",
            " else := 2 if { x == 1 }\n".repeat(many)
        ),
        format!("y := 1 if {{\n{}}}", "\tnot false\n".repeat(many)),
        format!("y := 1 if true{}", " with input.a as 1".repeat(many)),
        format!("y := [{}]", "1 + 1, ".repeat(many)),
        (0..many)
            .map(|number| format!("y contains {number} if true\n"))
            .collect::<Vec<_>>()
            .concat(),
        {
            let steps: String = (0..many)
                .map(|number| format!("\tx{} := [count([x{number}])]\n", number + 1))
                .collect::<Vec<_>>()
                .concat();
            format!("y := x{many} if {{\n\tx0 := [input.request.name]\n{steps}}}")
        },
    ] {
        let text = format!("deny contains \"a\" if not y == 7\n\n{text}\n");
        small(move || {
            let set = rego(&text).unwrap_or_else(|refused| panic!("{refused:.300}"));
            assert_eq!(judged(&set, &review(&json!({}))).0, None);
        });
    }
}

#[test]
fn rules_and_functions_in_each_other_end_at_a_limit() {
    let rules: String = (0..3_000)
        .map(|number| format!("p{number} if p{}\n", number + 1))
        .collect::<Vec<_>>()
        .concat();
    let functions: String = (0..3_000)
        .map(|number| {
            format!(
                "p{number} if f{number}(1)\n\nf{number}(x) if {{\n\tsome y in [x]\n\tf{}([y])\n}}\n",
                number + 1
            )
        })
        .collect::<Vec<_>>()
        .concat();
    for text in [rules, functions] {
        let text = format!("deny contains \"a\" if p0\n\np3000 := true\n\nf3000(_) := true\n\n{text}");
        let (failure, _) = small(move || judged(&rego(&text).unwrap(), &review(&json!({}))));
        assert_eq!(failure.map(|(kind, _)| kind), Some(FailureKind::Limit));
    }
}

#[test]
fn walks_in_each_other_end_at_a_limit() {
    let walks: String = (0..100)
        .map(|number| format!("\twalk(v, [_, x{number}])\n\tis_number(x{number})\n"))
        .collect::<Vec<_>>()
        .concat();
    let text = format!(
        "deny contains \"a\" if {{\n\tv := d9(1)\n{walks}}}\n\n{}",
        doubling("[x]")
    );
    let (failure, _) = small(move || judged(&rego(&text).unwrap(), &review(&json!({}))));
    assert_eq!(failure.map(|(kind, _)| kind), Some(FailureKind::Limit));
    let text = "deny contains \"a\" if {\n\twalk(input, [_, x])\n\twalk(input, [_, y])\n\twalk(x, [_, z])\n\tz == \"web\"\n\ty == z\n}\n";
    let (failure, answer) = small(move || judged(&rego(text).unwrap(), &review(&json!({}))));
    assert_eq!(failure, None);
    assert!(answer.contains("1 problem in Pod shop/web"), "{answer:.300}");
}

const TEMPLATE: &str = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: k}\nspec:\n  \
    crd: {spec: {names: {kind: K}}}\n  targets:\n    - target: admission.k8s.gatekeeper.sh\n      rego: |\n        \
    package k\n        violation[{\"msg\": \"a\"}] { input.review.x }\n";

fn maps(depth: usize) -> String {
    format!("{}1{}", "{a: ".repeat(depth), "}".repeat(depth))
}

/// The same on lines of their own.
fn blocks(depth: usize) -> String {
    (0..depth)
        .map(|indent| format!("\n{}a:", " ".repeat(indent + 1)))
        .collect::<Vec<_>>()
        .concat()
}

#[test]
fn yaml_is_read_only_so_deep() {
    let advice = "lists and maps are nested more than 48 deep; write them flatter";
    for depth in [60, 100, 3_000] {
        for nested in [
            maps(depth),
            blocks(depth),
            format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
        ] {
            let constraint = format!("apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K\nspec: {nested}\n");
            let files = [("t.yaml", TEMPLATE.to_owned()), ("c.yaml", constraint)];
            let refused = small(move || compiled(&files).err()).unwrap();
            assert!(refused.starts_with("c.yaml:") && refused.contains(advice), "{refused}");

            if nested.starts_with('[') {
                continue;
            }
            let settings = format!("policies:\n  a:\n    parameters: {}\n", nested.replace('\n', "\n    "));
            let refused = small(move || Settings::from_yaml(&settings).err()).unwrap();
            let refused = policy::list(&refused);
            assert!(
                refused.starts_with("policy-set.yaml:") && refused.contains(advice),
                "{refused}"
            );

            let cases = format!("cases:\n  - object: {}\n", nested.replace('\n', "\n     "));
            let refused = small(move || CaseFile::parse(&cases).err()).unwrap();
            assert_eq!(refused, advice);
        }
        let metadata = format!(
            "# METADATA\n# custom:\n#   x: {}\npackage deep\n\ndeny := set()\n",
            maps(depth)
        );
        let refused = small(move || compiled(&[("deep.rego", metadata)]).err()).unwrap();
        assert!(
            refused.starts_with("deep.rego:3: METADATA is not valid: ") && refused.contains(advice),
            "{refused}"
        );
    }
    // As deep as may be.
    let constraint = format!(
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K\nspec: {}\n",
        maps(47)
    );
    let files = [("t.yaml", TEMPLATE.to_owned()), ("c.yaml", constraint)];
    let refused = small(move || compiled(&files).err()).unwrap_or_default();
    assert!(!refused.contains(advice), "{refused}");
}

/// Functions that each call the one before twice: `d12` wraps its argument 4096 times.
fn doubling(wrapped: &str) -> String {
    let functions = (1..=12).map(|number| format!("d{number}(x) := d{0}(d{0}(x))\n", number - 1));
    format!("d0(x) := {wrapped}\n\n{}", functions.collect::<Vec<_>>().concat())
}

#[test]
fn values_are_nested_only_so_deep() {
    let ways = [
        "[x]",
        "{x}",
        "{\"a\": x}",
        "{x: 1}",
        "[y | y := x]",
        "{y | y := x}",
        "{\"a\": y | y := x}",
        "{1: [x]}",
        "object.union({\"a\": 1}, {\"a\": {\"b\": x}})",
        "json.patch({}, [{\"op\": \"add\", \"path\": \"a\", \"value\": x}])",
        "array.concat([1], [x])",
        "y if y := input.request with input.request as [x]",
    ];
    let mut policies: Vec<String> = ways.map(doubling).into();
    // All that there is below itself, again and again.
    policies.push(
        "d12(x) := json.patch({\"a\": x}, [o | some _ in numbers.range(1, 2000); o := {\"op\": \"copy\", \"from\": \"\", \
         \"path\": \"a\"}])"
            .to_owned(),
    );
    policies.push(
        "d12(x) := json.patch({\"a\": x}, [o | some i in numbers.range(1, 900); o := {\"op\": \"add\", \"value\": {}, \"path\": \
         [\"a\" | some _ in numbers.range(1, i)]}])"
            .to_owned(),
    );
    for policy in policies {
        for use_of in [
            "v := d12(1)",
            "v := count(d12(1))",
            "not d12(1)",
            "v := [w | w := d12(1)]",
        ] {
            let text =
                format!("deny contains \"a\" if {{\n\tinput.request.name == \"web\"\n\t{use_of}\n}}\n\n{policy}");
            let (failure, answer) = small(move || judged(&rego(&text).unwrap(), &review(&json!({}))));
            let (kind, detail) = failure.unwrap_or_else(|| panic!("{use_of} {policy} {answer}"));
            assert_eq!(kind, FailureKind::Limit, "{policy}");
            assert!(detail.contains("in each other too deep"), "{detail}");
        }
    }
}

#[test]
fn rules_that_wrap_each_others_values_are_stopped() {
    // Known values: no rule is evaluated below another one.
    let rules: String = (1..=2_000)
        .map(|number| format!("\tx{number} := [x{}]\n", number - 1))
        .collect::<Vec<_>>()
        .concat();
    let text = format!("deny contains \"a\" if {{\n\tx0 := input.request.name\n{rules}}}");
    let (failure, _) = small(move || judged(&rego(&text).unwrap(), &review(&json!({}))));
    assert_eq!(failure.map(|(kind, _)| kind), Some(FailureKind::Limit));
    let sets = "p contains d11(1)\n\nq[\"a\"][\"b\"] := d11(1) if input\n\ndeny contains \"a\" if {\n\tinput.request\n\tp\n\tq\n}\n";
    let text = format!("{sets}\n{}", doubling("[x]"));
    let (failure, _) = small(move || judged(&rego(&text).unwrap(), &review(&json!({}))));
    assert_eq!(failure.map(|(kind, _)| kind), Some(FailureKind::Limit));
}

#[test]
fn what_is_as_deep_as_may_be_can_be_used() {
    // 768 levels.
    let deep = doubling("[{\"a\": {x}}]").replace("d12", "unused");
    for use_of in [
        "json.marshal(v)",
        "json.marshal({v: w})",
        "json.marshal_with_options(v, {\"pretty\": true})",
        "yaml.marshal(v)",
        "sprintf(\"%v %s\", [v, w])",
        "[1 | walk(v, [_, _])]",
        "[1 | v == w]",
        "{v, w, [v]}",
        "object.union({\"a\": v}, {\"a\": w})",
        "object.union_n([{\"a\": v}, {\"a\": w}])",
        "[1 | object.subset({\"a\": v}, {\"a\": w})]",
        "json.patch(v, [{\"op\": \"add\", \"path\": \"0/b\", \"value\": 1}])",
        "json.filter({\"a\": v}, [\"a/0\"])",
        "json.remove({\"a\": v}, [\"a/0\"])",
        "[1 | graph.reachable({\"a\": v}, [\"a\"])]",
        "[x | x := v with input.a as w]",
    ] {
        let text = format!(
            "deny contains msg if {{\n\tv := d8(input.request.name)\n\tw := d8(2)\n\tmsg := sprintf(\"%d\", [count({use_of})])\n}}\n\n{deep}"
        );
        small(move || {
            let (failure, answer) = judged(&rego(&text).unwrap(), &review(&json!({})));
            assert_eq!(failure, None, "{text}");
            assert!(answer.contains("1 problem in Pod shop/web"), "{answer:.300}");
        });
    }
}

#[test]
fn the_deepest_reviews_are_judged() {
    let text = "deny contains sprintf(\"%v\", [count(json.marshal(input))]) if {\n\tlabels := input.request.object.metadata.labels\n\t\
        not labels.a == [labels]\n\tnot labels.b == labels\n\t[1 | walk(input, [_, _])] != []\n}\n";
    for manage in [false, true] {
        small(move || {
            let open = if manage { "{\"managedFields\":" } else { "{\"a\":" };
            let count = if manage { 190 } else { 500 };
            let nested = format!("{}1{}", open.repeat(count), "}".repeat(count));
            let body = "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"1\",\"operation\":\
                \"CREATE\",\"name\":\"web\",\"namespace\":\"shop\",\"kind\":{\"group\":\"\",\"version\":\"v1\",\"kind\":\"Pod\"},\
                \"userInfo\":{\"username\":\"j\"},\"oldObject\":null,\"object\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":\
                {\"name\":\"web\",\"namespace\":\"shop\",\"labels\":NESTED}}}}";
            let review = Review::parse(body.replace("NESTED", &nested).as_bytes()).unwrap();
            let (failure, answer) = judged(&rego(text).unwrap(), &review);
            assert_eq!(failure, None);
            assert!(answer.contains("1 problem in Pod shop/web"), "{answer:.300}");
        });
    }
}
