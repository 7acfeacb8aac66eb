//! `sprintf`.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::check;

#[test]
fn values_are_written_as_opa_writes_them() {
    check(&[
        (
            r#"sprintf("%v %v %v %v", [null, true, 1, "a\n"])"#,
            r#""null true 1 a\n""#,
        ),
        (
            r#"sprintf("%v", [["é\u200b\u0007", {1, 2}, set(), {}, {"a": null}]])"#,
            r#""[\"é\\u200b\\a\", {1, 2}, set(), {}, {\"a\": null}]""#,
        ),
        (r#"sprintf("%s", [{"b": 1, "a": 2}])"#, r#""{\"a\": 2, \"b\": 1}""#),
        (r#"sprintf("%v %v %v", [1.0, 1.50, 1e21])"#, r#""1 1.5 1e+21""#),
        (r#"sprintf("%v", [[1.0, 1.50, 1E5]])"#, r#""[1.0, 1.50, 1E5]""#),
        (r#"sprintf("%v %v", [1000000.0, 0.00001])"#, r#""1e+06 1e-05""#),
        (r#"sprintf("%v", [1e400])"#, r#""1e400""#),
    ]);
}

#[test]
fn integers_have_their_verbs() {
    check(&[
        (
            r#"sprintf("%d|%5d|%-5d|%05d|%+d|% d", [1, 2, 3, -4, 5, 6])"#,
            r#""1|    2|3    |-0004|+5| 6""#,
        ),
        (
            r#"sprintf("%x %X %#x %o %#o %O %b %#b", [255, 255, 255, 8, 8, 8, 5, 5])"#,
            r#""ff FF 0xff 10 010 0o10 101 0b101""#,
        ),
        (
            r#"sprintf("%c %q %U %#U", [233, 39, 8364, 8364])"#,
            r#""é '\\'' U+20AC U+20AC '€'""#,
        ),
        (r#"sprintf("%.3d|%8.3d|%.0d", [7, -7, 0])"#, r#""007|    -007|""#),
        (
            r#"sprintf("%d %x %30d", [12345678901234567890123, 12345678901234567890123, 12345678901234567890123])"#,
            r#""12345678901234567890123 29d42b64e76714244cb        12345678901234567890123""#,
        ),
    ]);
}

#[test]
fn floats_have_their_verbs() {
    check(&[
        (
            r#"sprintf("%f %.2f %8.3f|%-8.1f|%+.1f", [1.5, 2.345, 3.14159, 1.25, 0.5])"#,
            r#""1.500000 2.35    3.142|1.2     |+0.5""#,
        ),
        (
            r#"sprintf("%e %E %.0e", [123456.789, 0.000123, 15.5])"#,
            r#""1.234568e+05 1.230000E-04 2e+01""#,
        ),
        (
            r#"sprintf("%g %G %.3g %#g", [100000.5, 1e-10, 1234.5, 1.5])"#,
            r#""100000.5 1E-10 1.23e+03 1.50000""#,
        ),
        (
            r#"sprintf("%x %X %.2x %b", [1.5, 0.1, 1.999, 1.5])"#,
            r#""0x1.8p+00 0X1.999999999999AP-04 0x1.00p+01 6755399441055744p-52""#,
        ),
        (
            r#"sprintf("%08.2f|%+08.2f|% .1f", [-3.14159, 2.5, 1.5])"#,
            r#""-0003.14|+0002.50| 1.5""#,
        ),
        (r#"sprintf("%v", [800000000000000.2])"#, r#""8.000000000000002e+14""#),
        (r#"sprintf("%.1f %.0f %.0f", [0.25, 0.5, 1.5])"#, r#""0.2 0 2""#),
    ]);
}

#[test]
fn texts_have_their_verbs() {
    check(&[
        (
            r#"sprintf("%s|%5s|%-5s|%.2s|%05s", ["a", "é", "b", "日本語", "c"])"#,
            r#""a|    é|b    |日本|0000c""#,
        ),
        (
            r#"sprintf("%q %+q %#q %#q", ["a\"é", "é", "a", "`"])"#,
            r#""\"a\\\"é\" \"\\u00e9\" `a` \"`\"""#,
        ),
        (
            r#"sprintf("%x %X %# x", ["hi", "é", "ab"])"#,
            r#""6869 C3A9 0x61 0x62""#,
        ),
        (
            r#"sprintf("%T %T %T %T", [1, 1.5, "a", 12345678901234567890123])"#,
            r#""int64 float64 string *big.Int""#,
        ),
    ]);
}

#[test]
fn mistakes_are_written_into_the_text() {
    check(&[
        (r#"sprintf("%d", ["x"])"#, r#""%!d(string=x)""#),
        (r#"sprintf("%s %s", [1, 1.5])"#, r#""%!s(int64=1) %!s(float64=1.5)""#),
        (
            r#"sprintf("%t %5d", [true, "x"])"#,
            r#""%!t(string=true) %!d(string=    x)""#,
        ),
        (
            r#"sprintf("%q", [12345678901234567890123])"#,
            r#""%!q(big.Int=12345678901234567890123)""#,
        ),
        (r#"sprintf("%s %d", ["a"])"#, r#""a %!d(MISSING)""#),
        (
            r#"sprintf("%s", ["a", 1, 1.5])"#,
            r#""a%!(EXTRA int64=1, float64=1.5)""#,
        ),
        (r#"sprintf("50%", [])"#, r#""50%!(NOVERB)""#),
        (r#"sprintf("100%% %z", [1])"#, r#""100% %!z(int64=1)""#),
        (r#"sprintf("%!", [1])"#, r#""%!!(int64=1)""#),
        ("sprintf(1, [])", "undefined: operand 1 must be string but got number"),
        (r#"sprintf("", {1})"#, "undefined: operand 2 must be array but got set"),
    ]);
}

#[test]
fn arguments_are_taken_by_index_and_as_widths() {
    check(&[
        (r#"sprintf("%[2]s %[1]s", ["a", "b"])"#, r#""b a""#),
        (r#"sprintf("%[1]s %[1]q", ["a"])"#, r#""a \"a\"""#),
        (r#"sprintf("%[3]s", ["a"])"#, r#""%!s(BADINDEX)""#),
        (
            r#"sprintf("%[x]s %[]s %[1", ["a"])"#,
            r#""%!s(BADINDEX) %!s(BADINDEX) %!(NOVERB)""#,
        ),
        (r#"sprintf("%*d|%-*d|%*d", [4, 1, 4, 2, -4, 3])"#, r#""   1|2   |3   ""#),
        (r#"sprintf("%.*f", [2, 3.14159])"#, r#""3.14""#),
        (r#"sprintf("%*d", ["a", 1])"#, r#""%!(BADWIDTH)1""#),
        (r#"sprintf("%.*d", [-1, 1])"#, r#""%!(BADPREC)1""#),
        (r#"sprintf("%99999999999d", [1])"#, r#""%!(NOVERB)%!(EXTRA int64=1)""#),
    ]);
}
