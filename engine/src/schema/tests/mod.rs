//! The schema as a whole, what it says of paths, and objects.

mod table;

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::table as rows;
use super::{Field, Form, ListType, Type};

fn read(field: Field) {
    assert!(field.values().all(|value| !value.is_empty()));
    match field.form() {
        Form::Object(of) => assert!(!of.name().is_empty()),
        Form::Map(of) | Form::List(of) => {
            for key in field.list_keys() {
                assert!(of.step(key).is_some(), "{key}");
            }
            read(of);
        }
        _ => {}
    }
}

#[test]
fn every_row_can_be_read() {
    let mut count = 0;
    for of in Type::all() {
        for (name, field) in of.fields() {
            assert!(!name.is_empty());
            assert_eq!(of.field(name), Some(field), "{} {name}", of.name());
            read(field);
            count += 1;
        }
    }
    assert!(count > 2000, "{count}");
    assert!(rows::kinds().all(|(group, version, kind)| Type::of_kind(group, version, kind).is_some()));
}

#[test]
fn a_path_leads_to_its_field() {
    let pod = Type::of_kind("", "v1", "Pod").unwrap();
    let at = |pointer: &str| pod.at_pointer(pointer);
    assert_eq!(at("/spec/hostNetwork").unwrap().form(), Form::Boolean);
    assert_eq!(at("/spec/containers/0/image").unwrap().form(), Form::String);
    assert_eq!(
        at("/spec/containers/-/resources/limits/example.com~1gpu")
            .unwrap()
            .form(),
        Form::Quantity
    );
    assert_eq!(at("/metadata/labels/app").unwrap().form(), Form::String);
    for nothing in [
        "",
        "/",
        "spec",
        "/spec/containers/web/image",
        "/spec/container",
        "/spec/hostNetwork/x",
    ] {
        assert_eq!(at(nothing), None, "{nothing}");
    }
    assert_eq!(pod.at(&["spec", "containers"]), at("/spec/containers"));

    let containers = at("/spec/containers").unwrap();
    assert!(containers.is_required());
    assert_eq!(containers.list_type(), Some(ListType::Map));
    assert_eq!(containers.list_keys().collect::<Vec<_>>(), ["name"]);
    assert_eq!(containers.merge_key(), Some("name"));
    let ports = at("/spec/containers/0/ports").unwrap();
    assert_eq!(ports.list_keys().collect::<Vec<_>>(), ["containerPort", "protocol"]);
    assert_eq!(
        at("/spec/containers/0/command").unwrap().list_type(),
        Some(ListType::Atomic)
    );
    assert_eq!(
        at("/spec/containers/0/ports/0/protocol").unwrap().default(),
        Some(json!("TCP"))
    );
    assert_eq!(at("/spec/containers/0/image").unwrap().default(), None);
    let policies = at("/spec/containers/0/imagePullPolicy").unwrap().values();
    assert_eq!(policies.collect::<Vec<_>>(), ["Always", "IfNotPresent", "Never"]);

    let deployment = Type::of_kind("apps", "v1", "Deployment").unwrap();
    let template = deployment.at_pointer("/spec/template/spec").unwrap();
    assert!(matches!(template.form(), Form::Object(of) if of.name() == "PodSpec"));
    assert_eq!(Type::of_kind("apps", "v1", "Pod"), None);
    assert_eq!(Type::of_kind("", "v1", "PodList"), None);
}
