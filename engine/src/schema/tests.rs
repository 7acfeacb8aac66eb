//! The table as a whole: every row can be read.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::table;
use super::{Field, Form, Type};

fn read(field: Field) {
    assert!(field.values().all(|value| !value.is_empty()));
    assert!(field.list_keys().all(|key| !key.is_empty()));
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
    assert!(table::kinds().all(|(group, version, kind)| Type::of_kind(group, version, kind).is_some()));
}
