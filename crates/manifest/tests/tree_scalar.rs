//! What plain scalars mean. The table was made by giving each scalar, as `a: SCALAR`, to the Go package
//! `sigs.k8s.io/yaml` 1.6.0, which `kubectl` and the API server use.

use ringfence_manifest::scalar::{Scalar, resolve};

#[test]
fn nothing_tilde_and_null_are_null() {
    for text in ["", "~", "null", "Null", "NULL"] {
        assert_eq!(resolve(text, true), Scalar::Null, "{text}");
    }
}

#[test]
fn words_for_true() {
    for text in ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"] {
        assert_eq!(resolve(text, true), Scalar::Bool(true), "{text}");
    }
}

#[test]
fn words_for_false() {
    for text in ["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"] {
        assert_eq!(resolve(text, true), Scalar::Bool(false), "{text}");
    }
}

#[test]
fn whole_numbers() {
    let table: &[(&str, i64)] = &[
        ("0", 0),
        ("-0", 0),
        ("+0", 0),
        ("1", 1),
        ("-1", -1),
        ("+1", 1),
        ("80", 80),
        ("8080", 8080),
        ("00", 0),
        ("007", 7),
        ("014", 12),
        ("-014", -12),
        ("+014", 12),
        ("0o14", 12),
        ("0O14", 12),
        ("-0o14", -12),
        ("0x1F", 31),
        ("0X1f", 31),
        ("-0x1F", -31),
        ("+0x1F", 31),
        ("0b101", 5),
        ("0B101", 5),
        ("-0b101", -5),
        ("+0b101", 5),
        ("0x7fffffffffffffff", 9_223_372_036_854_775_807),
        ("-0x8000000000000000", -9_223_372_036_854_775_808),
        ("1_000", 1000),
        ("1__000", 1000),
        ("1_", 1),
        ("-_1", -1),
        ("0x_1F", 31),
        ("0_14", 12),
        ("0b1_0", 2),
        ("9223372036854775807", 9_223_372_036_854_775_807),
        ("-9223372036854775808", -9_223_372_036_854_775_808),
        ("20011214", 20_011_214),
        ("1_2_3", 123),
        ("0777", 511),
        ("0o_7", 7),
        ("-00", 0),
        ("123456789012345678", 123_456_789_012_345_678),
        ("-9223372036854775808_", -9_223_372_036_854_775_808),
    ];
    for (text, value) in table {
        assert_eq!(resolve(text, true), Scalar::Int(*value), "{text}");
    }
}

#[test]
fn other_numbers() {
    let table: &[(&str, f64)] = &[
        ("08", 8.0),
        ("09", 9.0),
        ("0800", 800.0),
        ("018.5", 18.5),
        ("0b1111111111111111111111111111111111111111111111111111111111111111", 18_446_744_073_709_551_615.0),
        ("0x8000000000000000", 9_223_372_036_854_775_808.0),
        ("0xffffffffffffffff", 18_446_744_073_709_551_615.0),
        ("1_000.5", 1000.5),
        ("1_0e2", 1000.0),
        ("9223372036854775808", 9_223_372_036_854_775_808.0),
        ("-9223372036854775809", -9_223_372_036_854_776_000.0),
        ("18446744073709551615", 18_446_744_073_709_551_615.0),
        ("18446744073709551616", 18_446_744_073_709_552_000.0),
        ("+9223372036854775808", 9_223_372_036_854_776_000.0),
        ("99999999999999999999999", 1e+23),
        ("1.0", 1.0),
        ("1.5", 1.5),
        ("-1.5", -1.5),
        ("+1.5", 1.5),
        ("1.", 1.0),
        ("-1.", -1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("+.5", 0.5),
        ("1e3", 1000.0),
        ("1E3", 1000.0),
        ("1e+3", 1000.0),
        ("1e-3", 0.001),
        ("1.e3", 1000.0),
        (".5e3", 500.0),
        ("5._", 5.0),
        ("1e-400", 0.0),
        ("1.10", 1.1),
        ("1.7976931348623157e308", f64::MAX),
        (".inf", f64::INFINITY),
        (".Inf", f64::INFINITY),
        (".INF", f64::INFINITY),
        ("-.inf", f64::NEG_INFINITY),
        ("+.Inf", f64::INFINITY),
        ("-.INF", f64::NEG_INFINITY),
        ("+.inf", f64::INFINITY),
        ("0.5", 0.5),
        ("1e1_0", 10_000_000_000.0),
        ("00.5", 0.5),
        ("1e05", 100_000.0),
        ("1.0e0", 1.0),
        ("0.1e1", 1.0),
    ];
    for (text, value) in table {
        assert_eq!(resolve(text, true), Scalar::Float(*value), "{text}");
    }
    for text in [".nan", ".NaN", ".NAN"] {
        assert!(matches!(resolve(text, true), Scalar::Float(value) if value.is_nan()), "{text}");
    }
}

#[test]
fn everything_else_is_text() {
    for text in [
        "nUll",
        "nil",
        "none",
        "tRUE",
        "yEs",
        "oN",
        "t",
        "f",
        "T",
        "F",
        "yess",
        "true1",
        "trueish",
        "0o8",
        "0o",
        "0x",
        "0xG",
        "0b2",
        "0b",
        "-0b",
        "0x1ffffffffffffffff",
        "_1",
        ".",
        "..",
        "...x",
        "+",
        "--1",
        "+-1",
        "1e",
        "1e+",
        "e3",
        ".5e",
        ".e3",
        "._5",
        "1.5e3.2",
        "1e400",
        "-1e400",
        ".5e999",
        "1.2.3",
        "1.25.0",
        "v1.2",
        ".iNF",
        "inf",
        "Inf",
        "infinity",
        "-inf",
        "+inf",
        ".Nan",
        "-.nan",
        "nan",
        "NaN",
        "2001-12-14",
        "2001-1-1",
        "2001-12-14T21:59:43.10-05:00",
        "2001-12-14t21:59:43Z",
        "2001-12-14 21:59:43.10",
        "2001-99-99",
        "2001-12",
        "12:30",
        "12:30:45",
        "1:30",
        "190:20:30",
        "190:20:30.15",
        "60:00",
        "0:0",
        "10.0.0.0/8",
        "10.0.0.1",
        "::1",
        "1Gi",
        "100m",
        "5s",
        "1,000",
        "$1",
        "80/TCP",
        "0x1p-2",
        "0x1.8p1",
        "1i",
        "0x-1",
        "0x+1",
        "0-1",
        "0 1",
        "<<",
        "=",
    ] {
        assert_eq!(resolve(text, true), Scalar::Str(text), "{text}");
    }
}

#[test]
fn quoted_scalars_are_always_text() {
    for text in ["", "80", "true", "~", "1.5", "null", "on"] {
        assert_eq!(resolve(text, false), Scalar::Str(text), "{text}");
    }
}

#[test]
fn a_number_without_a_fraction_is_whole_in_json() {
    let whole = |text| resolve(text, true).whole();
    assert_eq!(whole("80"), Some(80));
    assert_eq!(whole("80.0"), Some(80));
    assert_eq!(whole("8e1"), Some(80));
    assert_eq!(whole("-1."), Some(-1));
    assert_eq!(whole("80.5"), None);
    assert_eq!(whole("1e300"), None);
    assert_eq!(whole(".inf"), None);
    assert_eq!(whole(".nan"), None);
    assert_eq!(whole("true"), None);
    assert_eq!(resolve("80", false).whole(), None);
}
