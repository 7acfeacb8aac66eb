use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::context::Context;
use crate::policy::bundle::Bundle;
use crate::policy::compile::compile;

fn read(fix: &Json) -> Proposals {
    let proposals = Proposals::of_violation(fix).unwrap();
    proposals.check().unwrap();
    proposals
}

/// What loading a policy with this `custom.fix` says.
fn refused(fix: &str) -> String {
    let text = format!("# METADATA\n# custom:\n#   fix: {fix}\npackage shop\n\ndeny contains \"no\"\n");
    let bundle = Bundle::from_parts(None, vec![("shop.rego".to_owned(), text)]).unwrap();
    compile(&bundle, Context::default()).map_or_else(|problems| crate::policy::list(&problems), |_| String::new())
}

#[test]
fn every_field_is_read() {
    let fixes = read(&json!([
        {"target": "/spec/ports/*/nodePort", "action": "remove"},
        {"action": "set", "value": null, "placeholder": "which", "prefer": ["{path}"], "avoid": ["/spec/*"], "allowIdentity": true},
        {"target": "{path}/name", "action": "add", "value": "a {old} b"},
        {"action": "remove-element"},
        {"action": "none"},
        {"unfixable": " ask somebody "},
        {"prefer": ["/spec"]},
    ]));
    let words: Vec<_> = fixes.iter().map(|fix| fix.word.clone()).collect();
    assert_eq!(words[0], Some(Word::Remove));
    assert_eq!(words[1], Some(Word::Set(Written::Same(Json::Null))), "null is a value");
    assert!(matches!(words[2], Some(Word::Add(Written::Text(_)))));
    assert_eq!(words[3..5], [Some(Word::RemoveElement), Some(Word::None)]);
    assert_eq!(words[5..], [Some(Word::Unfixable("ask somebody".to_owned())), None]);
    let second = fixes.iter().nth(1).unwrap();
    assert_eq!(
        (second.placeholder.as_deref(), second.allow_identity),
        (Some("which"), Some(true))
    );
    assert_eq!((second.prefer[0].text(), second.avoid[0].text()), ("{path}", "/spec/*"));
    assert!(!fixes.is_empty() && Proposals::default().is_empty());
    let said: Vec<String> = fixes.iter().map(Proposal::describe).collect();
    assert_eq!(said[0], "remove at /spec/ports/*/nodePort");
    assert_eq!(said[1], "set, preferring {path}, avoiding /spec/*, to be filled in");
    assert_eq!(said[6], "search, preferring /spec");
}

// Snapshots are files, which wasm has not.
#[cfg(not(target_arch = "wasm32"))]
#[test]
fn what_cannot_be_meant_is_refused_when_the_policy_is_loaded() {
    let wrong = [
        "remove",
        "[]",
        "{}",
        "{action: explode}",
        "{action: set}",
        "{action: remove, value: 1}",
        "{value: 1}",
        "{action: set, vallue: 1}",
        "{action: set, value: 1, placeholder: 5}",
        "{action: set, value: 1, placeholder: \" \"}",
        "{action: remove, placeholder: a name}",
        "{action: remove, target: spec.ports}",
        "{action: remove, target: \"\"}",
        "{action: remove, target: \"/spec/{path}\"}",
        "{target: /spec}",
        "{action: set, value: \"{olds}\"}",
        "{action: set, value: [{a: \"{name.first}\"}]}",
        "{action: set, value: \"{parameters.registries[first]}\"}",
        "{action: set, value: \"a { b\"}",
        "[{action: remove}, {action: set, value: \"}\"}]",
        "[{action: remove}, {action: remove, target: 7}]",
        "{prefer: /spec}",
        "{avoid: [spec]}",
        "{unfixable: true}",
        "{unfixable: \"\"}",
        "{unfixable: Ask., action: remove}",
        "{action: none, prefer: [/spec]}",
        "{allowIdentity: \"yes\"}",
    ];
    let said: Vec<String> = wrong.iter().map(|fix| format!("{fix}\n  {}", refused(fix))).collect();
    insta::assert_snapshot!(said.join("\n"), @r##"
    remove
      shop.rego:1: METADATA: custom.fix: invalid type: string "remove", expected a fix, such as {action: set, value: false}, or a list of them
    []
      shop.rego:1: METADATA: custom.fix: the list is empty; name a fix, or leave `fix` out
    {}
      shop.rego:1: METADATA: custom.fix: it says nothing; add an `action`, `unfixable`, `prefer`, `avoid` or `allowIdentity`, or leave it out
    {action: explode}
      shop.rego:1: METADATA: custom.fix.action: unknown variant `explode`, expected one of `set`, `add`, `remove`, `remove-element`, `none`
    {action: set}
      shop.rego:1: METADATA: custom.fix: missing field `value`; the actions set and add need it
    {action: remove, value: 1}
      shop.rego:1: METADATA: custom.fix: `value` goes with the actions set and add alone; leave it out
    {value: 1}
      shop.rego:1: METADATA: custom.fix: missing field `action`; a `value` needs the action set or add
    {action: set, vallue: 1}
      shop.rego:1: METADATA: custom.fix.vallue: unknown field `vallue`, expected one of `target`, `action`, `value`, `placeholder`, `prefer`, `avoid`, `unfixable`, `allowIdentity`
    {action: set, value: 1, placeholder: 5}
      shop.rego:1: METADATA: custom.fix.placeholder: invalid type: integer `5`, expected a string
    {action: set, value: 1, placeholder: " "}
      shop.rego:1: METADATA: custom.fix: `placeholder` is empty; say what a person has to fill in
    {action: remove, placeholder: a name}
      shop.rego:1: METADATA: custom.fix: `placeholder` says what belongs into a value; it needs the action set or add
    {action: remove, target: spec.ports}
      shop.rego:1: METADATA: custom.fix.target: "spec.ports" is no path pattern: write a JSON pointer, such as /spec/containers/*/image, or begin with {path}
    {action: remove, target: ""}
      shop.rego:1: METADATA: custom.fix.target: "" is no path pattern: write a JSON pointer, such as /spec/containers/*/image, or begin with {path}
    {action: remove, target: "/spec/{path}"}
      shop.rego:1: METADATA: custom.fix.target: "/spec/{path}" is no path pattern: {path} can stand at its beginning only, and nothing else in braces
    {target: /spec}
      shop.rego:1: METADATA: custom.fix: `target` says where; add an `action`: set, add, remove, remove-element or none
    {action: set, value: "{olds}"}
      shop.rego:1: METADATA: custom.fix.value: "{olds}": {olds} is not known; use {old…}, {parameters…} or {name}, and {{ for a brace
    {action: set, value: [{a: "{name.first}"}]}
      shop.rego:1: METADATA: custom.fix.value: "{name.first}": {name.first} is not known; use {old…}, {parameters…} or {name}, and {{ for a brace
    {action: set, value: "{parameters.registries[first]}"}
      shop.rego:1: METADATA: custom.fix.value: "{parameters.registries[first]}": {parameters.registries[first]} cannot be read; write {parameters.registries[0]}, {old.tag} or {old["a.b/c"]}
    {action: set, value: "a { b"}
      shop.rego:1: METADATA: custom.fix.value: "a { b": a brace stands alone; `{{` and `}}` are braces in the value
    [{action: remove}, {action: set, value: "}"}]
      shop.rego:1: METADATA: custom.fix[1].value: "}": a brace stands alone; `{{` and `}}` are braces in the value
    [{action: remove}, {action: remove, target: 7}]
      shop.rego:1: METADATA: custom.fix[1].target: invalid type: integer `7`, expected a string
    {prefer: /spec}
      shop.rego:1: METADATA: custom.fix.prefer: invalid type: string "/spec", expected a sequence
    {avoid: [spec]}
      shop.rego:1: METADATA: custom.fix.avoid[0]: "spec" is no path pattern: write a JSON pointer, such as /spec/containers/*/image, or begin with {path}
    {unfixable: true}
      shop.rego:1: METADATA: custom.fix.unfixable: invalid type: boolean `true`, expected a string
    {unfixable: ""}
      shop.rego:1: METADATA: custom.fix: `unfixable` is empty; say why no edit helps, and what does
    {unfixable: Ask., action: remove}
      shop.rego:1: METADATA: custom.fix: `unfixable` stands alone, or with `target`: nothing is edited then
    {action: none, prefer: [/spec]}
      shop.rego:1: METADATA: custom.fix: with the action none nothing is searched; leave `action` out, or `prefer`, `avoid` and `allowIdentity`
    {allowIdentity: "yes"}
      shop.rego:1: METADATA: custom.fix.allowIdentity: invalid type: string "yes", expected a boolean
    "##);
    assert_eq!(refused("{action: set, value: \"{{{name}}}\"}"), "");
    assert_eq!(refused("null"), "");
}

#[test]
fn texts_are_filled_in() {
    let parameters = json!({"registries": ["a.example", "b.example"], "size": 3, "by": {"a.b/c": true}});
    let fill = |text: &str, old: Option<&Json>| {
        let value = Written::from(json!(text));
        value.check().unwrap();
        value.fill(Known {
            old,
            parameters: &parameters,
            name: Some("web"),
        })
    };
    let image = json!("r.example:5000/shop/web:1.4@sha256:00");
    let of_image = |text: &str| fill(text, Some(&image)).unwrap();
    assert_eq!(
        of_image("{old.repository}:2@{old.digest}"),
        json!("r.example:5000/shop/web:2@sha256:00")
    );
    assert_eq!(
        of_image("{parameters.registries[1]}/{old.path}:{old.tag}"),
        json!("b.example/shop/web:1.4")
    );
    assert_eq!(of_image("{old.registry} {name}"), json!("r.example:5000 web"));
    let short = json!("nginx");
    assert_eq!(
        fill("{old.registry}/{old.path}", Some(&short)),
        Some(json!("docker.io/nginx"))
    );
    assert_eq!(fill("{old.tag}", Some(&short)), None, "there is no tag");
    assert_eq!(fill("{old.colour}", Some(&short)), None);
    assert_eq!(
        fill("{parameters.size}", None),
        Some(json!(3)),
        "one template alone keeps the type"
    );
    assert_eq!(fill("{parameters.size}Gi", None), Some(json!("3Gi")));
    assert_eq!(fill("{parameters.by[\"a.b/c\"]}", None), Some(json!(true)));
    assert_eq!(
        fill("{parameters.registries}", None),
        Some(parameters["registries"].clone())
    );
    assert_eq!(fill("x{parameters.registries}", None), None, "a list is no text");
    assert_eq!(fill("{parameters.registries[2]}", None), None);
    assert_eq!(fill("{old}", None), None);
    assert_eq!(fill("{{old}} {{{name}}}", None), Some(json!("{old} {web}")));
    let old = json!({"tag": "its own", "list": [{"a": 1}]});
    assert_eq!(fill("{old.tag}", Some(&old)), Some(json!("its own")));
    assert_eq!(fill("{old.list[0].a}", Some(&old)), Some(json!(1)));
    let nested = Written::from(json!({"a": ["{name}", 1], "b": "plain"}));
    let known = Known {
        old: None,
        parameters: &parameters,
        name: None,
    };
    assert_eq!(nested.fill(known), None, "nothing is left half filled in");
    assert_eq!(
        nested.fill(Known {
            name: Some("web"),
            ..known
        }),
        Some(json!({"a": ["web", 1], "b": "plain"}))
    );
}

#[test]
fn what_a_policy_computes_is_a_text_as_it_is_when_it_is_no_template() {
    let fixes = Proposals::of_violation(&json!({"action": "set", "value": "{{ .Values.x"})).unwrap();
    let Some(Word::Set(value)) = &fixes.iter().next().unwrap().word else {
        panic!()
    };
    let known = Known {
        old: None,
        parameters: &Json::Null,
        name: None,
    };
    assert_eq!(value.fill(known), Some(json!("{ .Values.x")));
    let fixes = Proposals::of_violation(&json!({"action": "set", "value": "a } b"})).unwrap();
    let Some(Word::Set(value)) = &fixes.iter().next().unwrap().word else {
        panic!()
    };
    assert_eq!(value.fill(known), Some(json!("a } b")));
}

#[test]
fn patterns_have_places() {
    let object = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}], "labels": {"x/y": 1, "z": 2}}});
    let found = |pattern: &str, path: &str| {
        let path: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        let pattern = Pattern::try_from(pattern.to_owned()).unwrap();
        let parts = pattern.rooted(Some(&path), &[]).unwrap();
        let places = places(&parts, &path, &object)
            .iter()
            .map(|place| place.join("."))
            .collect::<Vec<_>>();
        (is_near(&parts, &path), places.join(" "))
    };
    let own = |pattern: &str| found(pattern, "/spec/containers/1/image");
    assert_eq!(
        own("/spec/containers/*/name"),
        (true, "spec.containers.1.name".to_owned())
    );
    assert_eq!(own("{path}/tag"), (true, "spec.containers.1.image.tag".to_owned()));
    assert_eq!(
        own("/spec/labels/*"),
        (false, "spec.labels.x/y spec.labels.z".to_owned())
    );
    assert_eq!(own("/spec/labels/x~1y"), (false, "spec.labels.x/y".to_owned()));
    assert_eq!(own("/spec/volumes/*/name"), (false, String::new()));
    let around = found("/spec/containers/*/image", "/spec");
    assert_eq!(
        around,
        (true, "spec.containers.0.image spec.containers.1.image".to_owned())
    );
}
