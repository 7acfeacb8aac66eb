use super::*;
use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn applied(schema: Json, given: Json) -> Json {
    Schema::new(schema, false).unwrap().apply(Some(given)).unwrap()
}

fn refused(schema: Json, given: Json) -> Vec<String> {
    let complaints = Schema::new(schema, false).unwrap().apply(Some(given)).unwrap_err();
    let mut texts: Vec<String> = complaints
        .into_iter()
        .map(|(path, reason)| format!("/{}: {reason}", path.join("/")))
        .collect();
    texts.sort();
    texts
}

fn unsound(schema: Json) -> Vec<String> {
    let complaints = Schema::new(schema, false).unwrap_err();
    complaints
        .into_iter()
        .map(|(path, reason)| format!("/{}: {reason}", path.join("/")))
        .collect()
}

#[test]
fn defaults_fill_in_what_is_missing_at_every_depth() {
    let schema = json!({
        "type": "object",
        "properties": {
            "mode": {"type": "string", "default": "strict"},
            "limits": {"type": "object", "default": {}, "properties": {"cpu": {"type": "string", "default": "1"}}},
            "rules": {"type": "array", "items": {
                "type": "object", "properties": {"on": {"type": "boolean", "default": true}}}},
            "byName": {"type": "object", "additionalProperties": {
                "type": "object", "properties": {"port": {"type": "integer", "default": 80}}}},
            "deep": {"type": "object", "properties": {"x": {"type": "string", "default": "never"}}}
        }
    });
    let given = json!({"mode": null, "rules": [{}, {"on": false}], "byName": {"a": {}}});
    assert_eq!(
        applied(schema, given),
        json!({
            "mode": "strict", "limits": {"cpu": "1"}, "rules": [{"on": true}, {"on": false}],
            "byName": {"a": {"port": 80}}
        })
    );
}

#[test]
fn without_parameters_only_a_default_of_the_whole_counts() {
    let inner = json!({"type": "object", "properties": {"a": {"type": "string", "default": "x"}}, "required": ["b"]});
    assert_eq!(Schema::new(inner, false).unwrap().apply(None).unwrap(), json!({}));
    let whole = json!({"type": "object", "default": {}, "properties": {"a": {"type": "string", "default": "x"}}});
    assert_eq!(
        Schema::new(whole, false).unwrap().apply(None).unwrap(),
        json!({"a": "x"})
    );
}

#[test]
fn nulls_are_dropped_unless_they_are_allowed() {
    let schema = json!({"type": "object", "properties": {
        "a": {"type": "string"}, "b": {"type": "string", "nullable": true},
        "c": {"type": "string", "nullable": true, "default": "x"}}});
    assert_eq!(
        applied(schema, json!({"a": null, "b": null, "c": null})),
        json!({"b": null, "c": null})
    );
}

#[test]
fn what_does_not_fit_is_named_with_all_of_it() {
    let schema = json!({"type": "object", "required": ["labels", "more"], "properties": {
        "labels": {"type": "array", "items": {"type": "object", "properties": {
            "key": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 3},
            "count": {"type": "integer", "minimum": 1}}}},
        "more": {"type": "boolean"}, "mode": {"type": "string", "enum": ["a", "b"]},
        "port": {"x-kubernetes-int-or-string": true}}});
    let given = json!({"labels": [{"key": "ABCD", "count": 0}, {"kee": "x"}, 1], "mode": "c", "port": 1.5});
    assert_eq!(
        refused(schema, given),
        [
            "/labels/0/count: has to be at least 1",
            "/labels/0/key: \"ABCD\" does not match ^[a-z]+$",
            "/labels/0/key: takes at most 3 characters",
            "/labels/1/kee: unknown; the template's schema has count, key",
            "/labels/2: expected object, this is integer",
            "/mode: \"c\" is none of \"a\", \"b\"",
            "/more: missing; the template's schema requires it",
            "/port: expected integer or string, this is number",
        ]
    );
}

#[test]
fn combinations_narrow_and_name_no_fields() {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}], "not": {"required": ["c"]}});
    assert_eq!(
        applied(schema.clone(), json!({"b": 1, "z": {"y": 2}})),
        json!({"b": 1, "z": {"y": 2}})
    );
    assert_eq!(
        refused(schema, json!({"c": 1})),
        [
            "/: fits none of the schema's `anyOf`",
            "/: fits what the schema's `not` excludes"
        ]
    );
}

#[test]
fn an_open_map_keeps_scalars_only() {
    let schema = json!({"type": "object", "additionalProperties": true});
    assert_eq!(
        applied(schema.clone(), json!({"a": 1, "b": ["x"]})),
        json!({"a": 1, "b": ["x"]})
    );
    assert_eq!(refused(schema, json!({"a": {"b": 1}})).len(), 1);
}

#[test]
fn a_legacy_schema_keeps_what_it_does_not_name() {
    let schema = Schema::new(json!({"properties": {"a": {"type": "array"}}}), true).unwrap();
    let given = json!({"a": [{"b": 1}], "c": {"d": 2}});
    assert_eq!(schema.apply(Some(given.clone())).unwrap(), given);
    let wrong = schema.apply(Some(json!({"a": "x"}))).unwrap_err();
    assert_eq!(wrong[0].1, "expected array, this is string");
}

#[test]
fn schemas_that_the_api_server_refuses_are_refused() {
    assert!(unsound(json!({"properties": {"a": {"type": "string"}}}))[0].starts_with("/type: missing"));
    assert!(unsound(json!({"type": "object", "properties": {"a": {}}}))[0].starts_with("/properties/a/type: missing"));
    assert!(unsound(json!({"type": "array"}))[0].starts_with("/items: missing"));
    assert!(unsound(json!({"type": "text"}))[0].starts_with("/type: unknown variant"));
    assert!(unsound(json!({"type": "object", "required": true}))[0].starts_with("/required: invalid type"));
    assert!(unsound(json!({"type": "string", "pattern": "["}))[0].starts_with("/pattern: is no regular expression"));
    let default = json!({"type": "object", "properties": {"a": {"type": "string", "default": 1}}});
    assert!(unsound(default)[0].starts_with("/properties/a/default: does not fit"));
    let both =
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}});
    assert!(unsound(both)[0].starts_with("/additionalProperties: cannot"));
}
