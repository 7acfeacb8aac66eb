//! Lists, sets, objects and types.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::check;

#[test]
fn items_are_counted_sorted_and_found() {
    check(&[
        ("count({\"a\": 1})", "1"),
        (
            "count(1)",
            "undefined: operand 1 must be one of {array, object, set, string} but got number",
        ),
        ("max([1, 3, 2])", "3"),
        // Of equal ones the last.
        ("max([1, 1.0])", "1.0"),
        ("min({\"a\", 1})", "1"),
        ("max([])", "undefined: of nothing there is no maximum"),
        ("sort([3, \"a\", null, 1])", "[null, 1, 3, \"a\"]"),
        ("sort({2, 1})", "[1, 2]"),
        ("all([])", "true"),
        ("all({true, 1})", "false"),
        ("any([false, true])", "true"),
        ("any(set())", "false"),
        ("internal.member_2(1, [1.0])", "true"),
        ("internal.member_2(1, {\"a\": 1})", "true"),
        ("internal.member_2(\"a\", {\"a\": 1})", "false"),
        ("internal.member_2(\"a\", \"abc\")", "false"),
        ("internal.member_3(0, \"a\", [\"a\"])", "true"),
        ("internal.member_3(\"k\", 1, {\"k\": 1})", "true"),
        ("internal.member_3(1, 1, {1})", "true"),
        ("internal.member_3(1, 2, {1, 2})", "false"),
    ]);
}

#[test]
fn lists_are_joined_and_cut() {
    check(&[
        ("array.concat([1], [2, 1])", "[1, 2, 1]"),
        (
            "array.concat([1], {2})",
            "undefined: operand 2 must be array but got set",
        ),
        ("array.slice([1, 2, 3], 1, 2)", "[2]"),
        ("array.slice([1, 2, 3], -5, 99)", "[1, 2, 3]"),
        ("array.slice([1, 2, 3], 2, 1)", "[]"),
        ("array.reverse([1, 2, 3])", "[3, 2, 1]"),
        ("array.flatten([1, [2, [3]], []])", "[1, 2, [3]]"),
    ]);
}

#[test]
fn sets_are_combined() {
    check(&[
        ("and({1, 2}, {2, 3})", "{2}"),
        ("or({1, 2}, {2, 3})", "{1, 2, 3}"),
        ("minus({1, 2}, {2.0})", "{1}"),
        ("and({1}, [1])", "undefined: operand 2 must be set but got array"),
        ("intersection({{1, 2}, {2, 3}})", "{2}"),
        ("intersection(set())", "set()"),
        ("union({{1}, {2}, set()})", "{1, 2}"),
        ("union({{1}, 2})", "undefined: operand 1 must be set but got number"),
        ("set_diff({1, 2}, {1})", "{2}"),
    ]);
}

#[test]
fn objects_are_merged_and_filtered() {
    check(&[
        ("object.get({\"a\": {\"b\": [7]}}, [\"a\", \"b\", 0], \"x\")", "7"),
        ("object.get({\"a\": 1}, [\"a\", \"b\"], \"x\")", "\"x\""),
        ("object.get({\"a\": 1}, \"b\", \"x\")", "\"x\""),
        ("object.get({\"a\": 1}, [], \"x\")", "{\"a\": 1}"),
        ("object.get({\"a\": false}, \"a\", \"x\")", "false"),
        (
            "object.get([1], 0, \"x\")",
            "undefined: operand 1 must be object but got array",
        ),
        (
            "object.union({\"a\": {\"b\": 1, \"c\": 2}}, {\"a\": {\"b\": 3}, \"d\": 4})",
            "{\"a\": {\"b\": 3, \"c\": 2}, \"d\": 4}",
        ),
        ("object.union({\"a\": {\"b\": 1}}, {\"a\": 2})", "{\"a\": 2}"),
        (
            "object.union_n([{\"a\": {\"b\": 2}}, {\"a\": 4}, {\"a\": {\"c\": 3}}])",
            "{\"a\": {\"c\": 3}}",
        ),
        (
            "object.union_n([{\"a\": {\"b\": 2}}, {\"a\": {\"c\": {\"x\": 1}}}, {\"a\": {\"c\": {\"y\": 3}}}])",
            "{\"a\": {\"b\": 2, \"c\": {\"x\": 1, \"y\": 3}}}",
        ),
        ("object.union_n([])", "{}"),
        (
            "object.union_n([{}, 1])",
            "undefined: operand 1 must be array of objects but got array containing number",
        ),
        ("object.remove({\"a\": 1, \"b\": 2, 3: 4}, [\"a\", 3.0])", "{\"b\": 2}"),
        (
            "object.filter({\"a\": 1, \"b\": 2}, {\"a\": \"x\", \"c\": \"x\"})",
            "{\"a\": 1}",
        ),
        (
            "object.filter({\"a\": 1}, \"a\")",
            "undefined: operand 2 must be one of {object, set, array} but got string",
        ),
        ("object.keys({\"a\": 1, 2: 3})", "{2, \"a\"}"),
    ]);
}

#[test]
fn parts_are_recognized() {
    check(&[
        (
            "object.subset({\"a\": {\"b\": 1, \"c\": {1, 2}}}, {\"a\": {\"c\": {2}}})",
            "true",
        ),
        ("object.subset({\"a\": 1}, {\"a\": 2})", "false"),
        ("object.subset([1, 2, 3, 4], [2, 3])", "true"),
        ("object.subset([1, 2, 3], [1, 3])", "false"),
        ("object.subset([1, 1, 2], [1, 2])", "true"),
        ("object.subset([1, 2, 3], {3, 1})", "true"),
        ("object.subset([], set())", "false"),
        ("object.subset({1, 2}, {1})", "true"),
        (
            "object.subset({1}, [1])",
            "undefined: both arguments object.subset must be of the same type or array and set",
        ),
    ]);
}

#[test]
fn types_have_names() {
    check(&[
        ("type_name(null)", "\"null\""),
        ("type_name(set())", "\"set\""),
        ("type_name({})", "\"object\""),
        ("is_number(1.5)", "true"),
        ("is_string(1)", "false"),
        ("is_boolean(false)", "true"),
        ("is_null(null)", "true"),
        ("is_array(set())", "false"),
        ("is_set({1})", "true"),
        ("is_object({\"a\": 1})", "true"),
        ("cast_array({2, 1})", "[1, 2]"),
        ("cast_set([1, 1.0])", "{1}"),
        ("cast_string(\"a\")", "\"a\""),
        (
            "cast_boolean(null)",
            "undefined: operand 1 must be boolean but got null",
        ),
    ]);
}
