//! Calls whose results no memory holds end at the budget, and at once.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{check, result};

#[test]
fn huge_results_end_at_the_limit() {
    check(&[
        ("numbers.range(0, 1000000000000)", "limit"),
        ("numbers.range(1e30, 0)", "limit"),
        ("bits.lsh(1, 1000000000000)", "limit"),
        ("bits.lsh(1, 1e30)", "limit"),
        ("mul(1e20000, 1e20000)", "limit"),
        ("mul(1.5e-20000, 1.5e-20000)", "limit"),
        ("div(1e20000, 3e-20000)", "limit"),
        ("product([1e15000, 1e15000, 1e15000])", "limit"),
        ("units.parse(\"1e999999\")", "limit"),
        ("units.parse_bytes(\"1e999999\")", "limit"),
    ]);
    let widths = format!("sprintf(\"{}\", [1])", "%01000000[1]d".repeat(100));
    assert_eq!(result(&widths), "limit");
    let precisions = format!("sprintf(\"{}\", [0.5])", "%.1000000[1]f".repeat(100));
    assert_eq!(result(&precisions), "limit");
}

#[test]
fn texts_cannot_be_multiplied_without_end() {
    let text = format!("\"{}\"", "a".repeat(20_000));
    for call in [
        format!("replace({text}, \"a\", {text})"),
        format!("replace({text}, \"\", {text})"),
        format!("strings.replace_n({{\"a\": {text}}}, {text})"),
        format!("concat({text}, [{}])", vec!["\"\""; 20_000].join(", ")),
        format!("sprintf(\"{}\", [{text}])", "%[1]s".repeat(20_000)),
        format!("indexof_n({text}, \"{}\")", "a".repeat(10_000)),
    ] {
        assert_eq!(result(&call), "limit", "{call:.40}");
    }
}

#[test]
fn large_numbers_cost_work() {
    let numbers = vec!["1e30000"; 100].join(", ");
    assert_eq!(result(&format!("sum([{numbers}])")), "limit");
    assert_eq!(result("equal(1e30000, 1e30000)"), "true");
}
