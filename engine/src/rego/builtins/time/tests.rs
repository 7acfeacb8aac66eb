use super::super::{Fault, Halt, Host, find};
use crate::rego::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn call(name: &str, args: &str) -> String {
    let args = json::parse(args.as_bytes()).unwrap();
    let result = (find(name).unwrap().run)(&mut Host::new(10_000), args.as_array().unwrap());
    result.map_or_else(|_| "undefined".to_owned(), |value| value.to_json().to_string())
}

/// What OPA gives.
const CASES: &[(&str, &str, &str)] = &[
    (
        "time.parse_rfc3339_ns",
        r#"["2017-06-02T19:00:00-07:00"]"#,
        "1496455200000000000",
    ),
    (
        "time.parse_rfc3339_ns",
        r#"["2017-06-02T19:00:00.123456789123Z"]"#,
        "1496430000123456789",
    ),
    (
        "time.parse_rfc3339_ns",
        r#"["2017-06-02T19:00:00,5Z"]"#,
        "1496430000500000000",
    ),
    ("time.parse_rfc3339_ns", r#"["2017-06-02t19:00:00Z"]"#, "undefined"),
    (
        "time.parse_rfc3339_ns",
        r#"["2017-06-02T9:00:00Z"]"#,
        "1496394000000000000",
    ),
    (
        "time.parse_rfc3339_ns",
        r#"["2017-06-02T19:00:00+24:00"]"#,
        "1496343600000000000",
    ),
    ("time.parse_rfc3339_ns", r#"["2017-06-02T19:00:00"]"#, "undefined"),
    ("time.parse_rfc3339_ns", r#"["2017-02-29T19:00:00Z"]"#, "undefined"),
    (
        "time.parse_rfc3339_ns",
        r#"["2016-02-29T23:59:59Z"]"#,
        "1456790399000000000",
    ),
    ("time.parse_rfc3339_ns", r#"["2016-02-29T24:00:00Z"]"#, "undefined"),
    (
        "time.parse_rfc3339_ns",
        r#"["2262-04-11T23:47:16.854775807Z"]"#,
        "9223372036854775807",
    ),
    (
        "time.parse_rfc3339_ns",
        r#"["2262-04-11T23:47:16.854775808Z"]"#,
        "undefined",
    ),
    (
        "time.parse_rfc3339_ns",
        r#"["1677-09-21T00:12:43.145224192Z"]"#,
        "-9223372036854775808",
    ),
    ("time.parse_rfc3339_ns", r#"["0001-01-01T00:00:00Z"]"#, "undefined"),
    (
        "time.parse_ns",
        r#"["2006-01-02", "2020-12-31"]"#,
        "1609372800000000000",
    ),
    (
        "time.parse_ns",
        r#"["RFC822Z", "02 Jan 06 15:04 -0700"]"#,
        "1136239440000000000",
    ),
    (
        "time.parse_ns",
        r#"["RFC822", "02 jan 69 15:04 MST"]"#,
        "-31395360000000000",
    ),
    (
        "time.parse_ns",
        r#"["RFC822", "02 Jan 68 15:04 GMT+3"]"#,
        "3092742240000000000",
    ),
    (
        "time.parse_ns",
        r#"["RFC850", "Monday, 02-Jan-06 15:04:05 CEST"]"#,
        "1136214245000000000",
    ),
    (
        "time.parse_ns",
        r#"["ANSIC", "Mon Jan  2 15:04:05 2006"]"#,
        "1136214245000000000",
    ),
    (
        "time.parse_ns",
        r#"["ANSIC", "Mon Jan 12 15:04:05.25 2006"]"#,
        "1137078245250000000",
    ),
    (
        "time.parse_ns",
        r#"["UnixDate", "Mon Jan  2 15:04:05 UTC 2006"]"#,
        "1136214245000000000",
    ),
    (
        "time.parse_ns",
        r#"["RubyDate", "Mon Jan 02 15:04:05 -0730 2006"]"#,
        "1136241245000000000",
    ),
    (
        "time.parse_ns",
        r#"["3:04PM 2006", "12:07AM 2020"]"#,
        "1577837220000000000",
    ),
    (
        "time.parse_ns",
        r#"["3:04pm 2006", "12:07pm 2020"]"#,
        "1577880420000000000",
    ),
    ("time.parse_ns", r#"["3:04PM", "13:07PM"]"#, "undefined"),
    ("time.parse_ns", r#"["2006 002", "2020 366"]"#, "1609372800000000000"),
    ("time.parse_ns", r#"["2006 002", "2019 366"]"#, "undefined"),
    ("time.parse_ns", r#"["2006 __2", "2020  60"]"#, "1582934400000000000"),
    ("time.parse_ns", r#"["2006 002 01", "2020 060 03"]"#, "undefined"),
    (
        "time.parse_ns",
        r#"["06-1-2 15h4m5s", "99-3-4 5h6m7s"]"#,
        "920523967000000000",
    ),
    (
        "time.parse_ns",
        r#"["January 2, 2006", "march 5, 2021"]"#,
        "1614902400000000000",
    ),
    ("time.parse_ns", r#"["Jan_2006", "Mar_2021"]"#, "1614556800000000000"),
    (
        "time.parse_ns",
        r#"["2006-01-02 15:04:05.000", "2021-01-02 03:04:05.678"]"#,
        "1609556645678000000",
    ),
    (
        "time.parse_ns",
        r#"["2006-01-02 15:04:05.000", "2021-01-02 03:04:05"]"#,
        "undefined",
    ),
    (
        "time.parse_ns",
        r#"["2006-01-02 15:04:05.999", "2021-01-02 03:04:05.123456"]"#,
        "1609556645123456000",
    ),
    (
        "time.parse_ns",
        r#"["2006-01-02 15:04:05.999", "2021-01-02 03:04:05"]"#,
        "1609556645000000000",
    ),
    (
        "time.parse_ns",
        r#"["2006-01-02Z07", "2021-01-02+03"]"#,
        "1609534800000000000",
    ),
    (
        "time.parse_ns",
        r#"["2006-01-02Z070000", "2021-01-02Z"]"#,
        "1609545600000000000",
    ),
    (
        "time.parse_ns",
        r#"["2006-01-02-07:00:00", "2021-01-02-03:30:30"]"#,
        "1609558230000000000",
    ),
    (
        "time.parse_ns",
        r#"["2006-01-02 MST", "2021-01-02 WITA"]"#,
        "1609545600000000000",
    ),
    (
        "time.parse_ns",
        r#"["2006-01-02 MST", "2021-01-02 +03"]"#,
        "1609545600000000000",
    ),
    ("time.parse_ns", r#"["2006-01-02 MST", "2021-01-02 ABCD"]"#, "undefined"),
    (
        "time.parse_ns",
        r#"["2006-01-02 MST", "2021-01-02 ABCDEF"]"#,
        "undefined",
    ),
    ("time.parse_ns", r#"["2006-01-02", "2021-01-02 "]"#, "undefined"),
    ("time.parse_ns", r#"["2006  01", "2021 02"]"#, "1612137600000000000"),
    ("time.parse_ns", r#"["2006", "21"]"#, "undefined"),
    ("time.parse_ns", r#"["06", "+6"]"#, "1136073600000000000"),
    ("time.parse_ns", r#"["", ""]"#, "undefined"),
    ("time.parse_ns", r#"["x", "y"]"#, "undefined"),
    ("time.parse_ns", r#"["Janu 2006", "Janu 2021"]"#, "1609459200000000000"),
    (
        "time.parse_ns",
        r#"["Monday 2006-01-02", "Tuesday 2021-01-01"]"#,
        "1609459200000000000",
    ),
    ("time.parse_duration_ns", r#"["1h15m30.918273645s"]"#, "4530918273645"),
    ("time.parse_duration_ns", r#"["-1.5h"]"#, "-5400000000000"),
    ("time.parse_duration_ns", r#"["+5µs3ns"]"#, "5003"),
    ("time.parse_duration_ns", r#"["1μs"]"#, "1000"),
    ("time.parse_duration_ns", r#"["0"]"#, "0"),
    ("time.parse_duration_ns", r#"["-0"]"#, "0"),
    ("time.parse_duration_ns", r#"[""]"#, "undefined"),
    ("time.parse_duration_ns", r#"["1"]"#, "undefined"),
    ("time.parse_duration_ns", r#"[".5s"]"#, "500000000"),
    ("time.parse_duration_ns", r#"["5.s"]"#, "5000000000"),
    ("time.parse_duration_ns", r#"[".s"]"#, "undefined"),
    ("time.parse_duration_ns", r#"["1d"]"#, "86400000000000"),
    ("time.parse_duration_ns", r#"["1.5d12h"]"#, "172800000000000"),
    ("time.parse_duration_ns", r#"["1y2w3d"]"#, "33004800000000000"),
    ("time.parse_duration_ns", r#"["-1w"]"#, "-604800000000000"),
    ("time.parse_duration_ns", r#"["1dd"]"#, "undefined"),
    ("time.parse_duration_ns", r#"["1D"]"#, "undefined"),
    ("time.parse_duration_ns", r#"["1d1μs"]"#, "undefined"),
    ("time.parse_duration_ns", r#"["1d1µs"]"#, "86400000001000"),
    (
        "time.parse_duration_ns",
        r#"["0.333333333333333333333333h"]"#,
        "1200000000000",
    ),
    (
        "time.parse_duration_ns",
        r#"["9223372036854775807ns"]"#,
        "9223372036854775807",
    ),
    ("time.parse_duration_ns", r#"["9223372036854775808ns"]"#, "undefined"),
    (
        "time.parse_duration_ns",
        r#"["-9223372036854775808ns"]"#,
        "-9223372036854775808",
    ),
    ("time.parse_duration_ns", r#"["300y"]"#, "undefined"),
    ("time.parse_duration_ns", r#"["1.2.3d"]"#, "undefined"),
    ("time.parse_duration_ns", r#"["1 h"]"#, "undefined"),
    (
        "time.format",
        "[1708096320123456789]",
        r#""2024-02-16T15:12:00.123456789Z""#,
    ),
    ("time.format", "[[1708096320000000000]]", r#""2024-02-16T15:12:00Z""#),
    (
        "time.format",
        r#"[[1708096320000000000, "UTC", "RFC1123"]]"#,
        r#""Fri, 16 Feb 2024 15:12:00 UTC""#,
    ),
    (
        "time.format",
        r#"[[1708096320123456789, "", "Mon Monday Jan January 1 01 2 _2 02 002 __2 3 03 15 4 04 5 05 06 2006 PM pm MST Z07 Z0700 Z07:00 Z070000 Z07:00:00 -07 -0700 -07:00 -070000 -07:00:00 .000 ,000 .999 .000000000000 .0001 Jane Monda _2006 9"]]"#,
        r#""Fri Friday Feb February 2 02 16 16 16 047  47 3 03 15 12 12 0 00 24 2024 PM pm UTC Z Z Z Z Z +00 +0000 +00:00 +000000 +00:00:00 .123 ,123 .123 .123456789 .0002 Jane Monda _2024 9""#,
    ),
    (
        "time.format",
        r#"[[1708096320100000000, "UTC", "5.999 5.000 .9"]]"#,
        r#""0.1 0.100 .1""#,
    ),
    (
        "time.format",
        r#"[[1708096320000000000, "UTC", "5.999|5,000"]]"#,
        r#""0|0,000""#,
    ),
    (
        "time.format",
        r#"[[1580515200000000000, "UTC", "RFC850"]]"#,
        r#""Saturday, 01-Feb-20 00:00:00 UTC""#,
    ),
    (
        "time.format",
        r#"[[-9223372036854775808, "UTC", "RFC3339Nano"]]"#,
        r#""1677-09-21T00:12:43.145224192Z""#,
    ),
    ("time.format", r#"[[1708096320000000000, "UTC", 1]]"#, "undefined"),
    ("time.format", "[[]]", "undefined"),
    ("time.format", "[1.5]", "undefined"),
    ("time.format", "[1e18]", r#""2001-09-09T01:46:40Z""#),
    ("time.format", "[1.0]", r#""1970-01-01T00:00:00.000000001Z""#),
    ("time.format", "[1e19]", "undefined"),
    ("time.date", "[1582977600000000000]", "[2020,2,29]"),
    ("time.date", "[[1582977600000000000]]", "[2020,2,29]"),
    ("time.date", "[-1]", "[1969,12,31]"),
    ("time.clock", r#"[[1708096327123456789, "UTC"]]"#, "[15,12,7]"),
    ("time.weekday", "[1517832000000000000]", r#""Monday""#),
    ("time.weekday", "[-1]", r#""Wednesday""#),
    ("time.add_date", "[1580427000000000001, 0, 1, 0]", "1583105400000000001"),
    (
        "time.add_date",
        "[1580427000000000001, 0, -1, -400]",
        "1543188600000000001",
    ),
    (
        "time.add_date",
        "[1580427000000000001, 1, 13, 1]",
        "1646350200000000001",
    ),
    (
        "time.add_date",
        "[1580427000000000001, 1.0, 0, 0]",
        "1612049400000000001",
    ),
    ("time.add_date", "[1580427000000000001, 1000, 0, 0]", "undefined"),
    ("time.add_date", "[1582934400000000000, 1, 0, 0]", "1614556800000000000"),
    (
        "time.diff",
        "[1582977600000000000, 1708096327123456789]",
        "[3,11,16,3,12,7]",
    ),
    (
        "time.diff",
        "[1708096327123456789, 1582977600000000000]",
        "[3,11,16,3,12,7]",
    ),
    (
        "time.diff",
        "[1580427000000000000, 1583020800000000000]",
        "[0,1,1,0,30,0]",
    ),
    (
        "time.diff",
        "[1580427000000000000, 1580427000000000000]",
        "[0,0,0,0,0,0]",
    ),
    (
        "time.diff",
        "[1582977600123456789, 1582977601023456789]",
        "[0,0,0,0,0,1]",
    ),
];

#[test]
fn times_are_read_and_written() {
    for (name, args, expected) in CASES {
        assert_eq!(call(name, args), *expected, "{name}({args})");
    }
}

#[test]
fn what_is_not_known_here_ends_evaluation() {
    let run = |name: &str, args: &str| {
        let args = json::parse(args.as_bytes()).unwrap();
        (find(name).unwrap().run)(&mut Host::new(10_000), args.as_array().unwrap())
    };
    assert!(matches!(run("time.now_ns", "[]"), Err(Fault::Halt(Halt::Error(_)))));
    assert!(matches!(
        run("time.clock", r#"[[0, "America/New_York"]]"#),
        Err(Fault::Halt(Halt::Error(_)))
    ));
    let mut host = Host::new(10);
    host.now = Some(7);
    assert_eq!(
        (find("time.now_ns").unwrap().run)(&mut host, &[]).unwrap().as_i64(),
        Some(7)
    );
}
