//! Numbers: operators, rounding, ranges, bits, and texts that become numbers.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::check;

#[test]
fn whole_numbers_are_exact() {
    check(&[
        ("plus(1, 2)", "3"),
        ("plus(9223372036854775807, 1)", "9223372036854775808"),
        ("plus(1.0, 2)", "3"),
        ("plus(1e30, 1)", "1000000000000000000000000000001"),
        ("minus(-9223372036854775808, 1)", "-9223372036854775809"),
        ("mul(4294967296, 4294967296)", "18446744073709551616"),
        (
            "mul(12345678901234567890, -98765432109876543210)",
            "-1219326311370217952237463801111263526900",
        ),
        ("div(6, 3)", "2"),
        ("div(9223372036854775807, 1)", "9223372036854775807"),
        ("div(1e30, 7)", "142857142857142857140000000000"),
        ("rem(-5, 3)", "-2"),
        ("rem(10, 18446744073709551616)", "10"),
        ("rem(5, 2.0)", "1"),
        ("abs(-9223372036854775808)", "9223372036854775808"),
        ("abs(12345678901234567890123)", "12345678901234567890000"),
    ]);
}

#[test]
fn floats_have_64_bits_of_mantissa() {
    check(&[
        ("plus(0.1, 0.2)", "0.3"),
        ("mul(0.1, 3)", "0.3"),
        ("div(1, 3)", "0.33333333333333333334"),
        ("div(10, 4)", "2.5"),
        ("div(0, -5)", "-0"),
        ("minus(0.3, 0.1)", "0.20000000000000000002"),
        ("minus(2.5, 2.5)", "0"),
        ("mul(1.5, 1000000)", "1500000"),
        ("plus(123456.5, 0.25)", "123456.75"),
        ("plus(1234567.5, 0.25)", "1.23456775e+06"),
        ("div(1, 1000000)", "1e-06"),
        ("mul(1e300, 1.5e300)", &format!("15{}", "0".repeat(599))),
        ("minus(1, 0.00000000000000000000001)", "1"),
    ]);
}

#[test]
fn numbers_are_rounded_as_in_opa() {
    check(&[
        ("round(2.5)", "3"),
        ("round(-2.5)", "-3"),
        ("round(0.49)", "0"),
        ("round(1e30)", "1000000000000000000024696061952"),
        ("ceil(1.1)", "2"),
        ("ceil(-1.5)", "-1"),
        ("floor(1.9)", "1"),
        ("floor(-1.5)", "-2"),
        ("floor(7.0)", "7"),
        // OPA's own mistake.
        ("ceil(-0.5)", "1"),
        ("floor(-0.5)", "0"),
    ]);
}

#[test]
fn wrong_operands_are_named() {
    check(&[
        ("plus(1, \"a\")", "undefined: operand 2 must be number but got string"),
        ("minus(1, {1})", "undefined: operand 2 must be number but got set"),
        ("minus({1}, 1)", "undefined: operand 2 must be set but got number"),
        (
            "minus(\"a\", 1)",
            "undefined: operand 1 must be one of {number, set} but got string",
        ),
        ("div(1, 0)", "undefined: divide by zero"),
        ("div(1, 0.0)", "undefined: divide by zero"),
        ("rem(1, 0)", "undefined: modulo by zero"),
        ("rem(5.5, 2)", "undefined: modulo on floating-point number"),
        (
            "bits.and(1.5, 1)",
            "undefined: operand 1 must be integer number but got floating-point number",
        ),
        (
            "bits.lsh(1, -1)",
            "undefined: operand 2 must be an unsigned integer number but got a negative integer",
        ),
    ]);
}

#[test]
fn values_of_all_types_are_compared() {
    check(&[
        ("equal(1, 1.0)", "true"),
        ("equal(0.3, 0.30000000000000000001)", "false"),
        ("equal(9007199254740993, 9007199254740992)", "false"),
        ("neq([1], [1.0])", "false"),
        ("lt(null, false)", "true"),
        ("lt(true, -1)", "true"),
        ("gt(\"\", 1e99)", "true"),
        ("lte([1, 2], [1, 2])", "true"),
        ("gte({\"a\": 1}, [9])", "true"),
        ("gt(set(), {\"a\": 1})", "true"),
    ]);
}

#[test]
fn ranges_hold_both_ends() {
    check(&[
        ("numbers.range(1, 3)", "[1, 2, 3]"),
        ("numbers.range(1, -1)", "[1, 0, -1]"),
        ("numbers.range(2, 2)", "[2]"),
        (
            "numbers.range(9223372036854775806, 9223372036854775808)",
            "[9223372036854775806, 9223372036854775807, 9223372036854775808]",
        ),
        ("numbers.range_step(0, 10, 4)", "[0, 4, 8]"),
        ("numbers.range_step(0, -10, 4)", "[0, -4, -8]"),
        (
            "numbers.range_step(0, 1, 0)",
            "undefined: numbers.range_step: step must be a positive integer",
        ),
        (
            "numbers.range(1.5, 2)",
            "undefined: operand 1 must be integer number but got floating-point number",
        ),
    ]);
}

#[test]
fn bits_are_those_of_endless_complements() {
    check(&[
        ("bits.and(-1, 18446744073709551615)", "18446744073709551615"),
        ("bits.or(5, 2)", "7"),
        ("bits.xor(-1, 1)", "-2"),
        ("bits.negate(0)", "-1"),
        ("bits.lsh(1, 70)", "1180591620717411303424"),
        ("bits.lsh(0, 1e30)", "0"),
        ("bits.rsh(-5, 1)", "-3"),
        ("bits.rsh(5, 1e30)", "0"),
    ]);
}

#[test]
fn lists_of_numbers_are_added_and_multiplied() {
    check(&[
        ("sum([])", "0"),
        ("sum({1, 2.0})", "3"),
        ("sum([9223372036854775807, 1])", "9223372036854775808"),
        ("sum([0.1, 0.2])", "0.3"),
        ("product([])", "1"),
        ("product([2, 3.0])", "6"),
        // Less precise than `*`, as in OPA.
        ("product([1.1, 1.1, 1.1])", "1.3310000000000002"),
        ("mul(1.1, 1.21)", "1.3310000000000000001"),
        (
            "sum([1, \"a\"])",
            "undefined: operand 1 must be array of numbers but got array containing string",
        ),
        (
            "sum(1)",
            "undefined: operand 1 must be one of {set, array} but got number",
        ),
    ]);
}

#[test]
fn texts_become_numbers_and_keep_their_form() {
    check(&[
        ("to_number(\"1.50\")", "1.50"),
        ("to_number(\"1e5\")", "1e5"),
        ("to_number(\"007\")", "007"),
        ("to_number(null)", "0"),
        ("to_number(true)", "1"),
        ("to_number(\"12345678901234567890123\")", "12345678901234567890123"),
        (
            "to_number(\"1e400\")",
            "undefined: strconv.ParseFloat: parsing \"1e400\": value out of range",
        ),
        (
            "to_number(\"\")",
            "undefined: strconv.ParseFloat: parsing \"\": invalid syntax",
        ),
        (
            "to_number(\"inf\")",
            "undefined: operand 1 must be valid number string but got string",
        ),
        (
            "to_number([])",
            "undefined: operand 1 must be one of {null, boolean, number, string} but got array",
        ),
        ("format_int(255, 16)", "\"ff\""),
        ("format_int(-15.9, 2)", "\"-1111\""),
        ("format_int(18446744073709551617, 10)", "\"18446744073709551617\""),
        ("format_int(1, 3)", "undefined: operand 2 must be one of {2, 8, 10, 16}"),
        (
            "format_int(1, 10.0)",
            "undefined: operand 2 must be one of {2, 8, 10, 16}",
        ),
    ]);
}

#[test]
fn quantities_are_read() {
    check(&[
        ("units.parse(\"10K\")", "10000"),
        ("units.parse(\"10KI\")", "10240"),
        ("units.parse(\"100m\")", "0.1000000000"),
        // A thousandth is a float in OPA.
        ("units.parse(\"1000m\")", "1.0000000000"),
        ("units.parse(\"1.5\")", "1.5000000000"),
        ("units.parse(\"1e3k\")", "1000000"),
        ("units.parse(\"1e\")", "1000000000000000000"),
        ("units.parse(\"-2Ei\")", "-2305843009213693952"),
        (
            "units.parse(\"1 k\")",
            "undefined: units.parse: spaces not allowed in resource strings",
        ),
        ("units.parse(\"k\")", "undefined: units.parse: no amount provided"),
        ("units.parse(\"1x\")", "undefined: units.parse: unit x not recognized"),
        (
            "units.parse(\"1.2.3\")",
            "undefined: units.parse: could not parse amount to a number",
        ),
        (
            "units.parse(\"1e1234567\")",
            "undefined: units.parse: exponent too large",
        ),
        ("units.parse_bytes(\"1.5Gi\")", "1610612736"),
        ("units.parse_bytes(\"12kB\")", "12000"),
        ("units.parse_bytes(\"1m\")", "1000000"),
        ("units.parse_bytes(\"0.1\")", "0"),
        (
            "units.parse_bytes(\"gb\")",
            "undefined: units.parse_bytes: no byte amount provided",
        ),
    ]);
}
