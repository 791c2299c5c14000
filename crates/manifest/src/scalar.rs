//! What a plain scalar means, as `kubectl` reads it. In: a scalar's text and whether it is plain. Out: its value.
//!
//! Kubernetes tools read YAML with `sigs.k8s.io/yaml`, which resolves scalars in the manner of YAML 1.1: `yes` and `on`
//! are booleans, `014` is twelve, `1_000` a thousand. `tests/tree_scalar.rs` has the table, made with that package.

use std::borrow::Cow;

/// A scalar's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// `null`, `~`, or nothing at all.
    Null,
    /// `true`, `no`, `On`, `y`.
    Bool(bool),
    /// A whole number that fits 64 bits with a sign.
    Int(i64),
    /// Any other number. A whole number above `i64::MAX` is rounded.
    Float(f64),
    /// Everything else, dates included (JSON has no dates, so `kubectl` makes them strings).
    Str(&'a str),
}

impl Scalar<'_> {
    /// The whole number that the API server gets: JSON writes `80.0` and `8e1` as `80`.
    #[must_use]
    pub fn whole(self) -> Option<i64> {
        /// Up to here every whole number has a float of its own.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self {
            Scalar::Int(value) => Some(value),
            #[expect(clippy::cast_possible_truncation, reason = "a whole number within the exact range")]
            Scalar::Float(value) if value.trunc() == value && value.abs() <= EXACT => Some(value as i64),
            Scalar::Null | Scalar::Bool(_) | Scalar::Float(_) | Scalar::Str(_) => None,
        }
    }
}

/// The value of the scalar `text`. A scalar that is not plain (quoted, block) is always a string.
#[must_use]
pub fn resolve(text: &str, plain: bool) -> Scalar<'_> {
    if !plain {
        return Scalar::Str(text);
    }
    // Only these first characters can begin anything but a string.
    let value = match text.bytes().next() {
        None => Some(Scalar::Null),
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => word(text),
        Some(b'.') => special_float(text).or_else(|| decimal(text)).map(Scalar::Float),
        Some(b'+' | b'-' | b'0'..=b'9') => special_float(text).map(Scalar::Float).or_else(|| number(text)),
        Some(_) => None,
    };
    value.unwrap_or(Scalar::Str(text))
}

/// The text that a mapping's plain key has in JSON, where it is not the key's own: a boolean or a number is turned into
/// a string. Null has none, and cannot be a key.
pub(crate) fn key_text(key: Scalar<'_>) -> Option<String> {
    match key {
        Scalar::Null | Scalar::Str(_) => None,
        Scalar::Bool(value) => Some(value.to_string()),
        Scalar::Int(value) => Some(value.to_string()),
        Scalar::Float(value) => Some(float_key(value)),
    }
}

fn word(text: &str) -> Option<Scalar<'static>> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => return None,
    })
}

fn special_float(text: &str) -> Option<f64> {
    Some(match text {
        ".nan" | ".NaN" | ".NAN" => f64::NAN,
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => f64::INFINITY,
        "-.inf" | "-.Inf" | "-.INF" => f64::NEG_INFINITY,
        _ => return None,
    })
}

fn number(text: &str) -> Option<Scalar<'static>> {
    // Underscores may stand anywhere behind the first character.
    let digits: Cow<'_, str> =
        if text.contains('_') { Cow::Owned(text.replace('_', "")) } else { Cow::Borrowed(text) };
    if let Some(value) = integer(&digits) {
        return Some(value);
    }
    decimal(&digits).map(Scalar::Float)
}

/// A whole number with an optional sign and base: `0x`, `0o`, `0b`, or octal after a bare `0`.
fn integer(text: &str) -> Option<Scalar<'static>> {
    let (negative, signed, digits) = match text.as_bytes().first()? {
        b'-' => (true, true, text.get(1..)?),
        b'+' => (false, true, text.get(1..)?),
        _ => (false, false, text),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    // `from_str_radix` takes a sign of its own; behind ours or a base there is none.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    let value = if negative { 0i128 - i128::from(magnitude) } else { i128::from(magnitude) };
    match i64::try_from(value) {
        Ok(value) => Some(Scalar::Int(value)),
        // An unsigned number takes no sign; one that has it is left to the floats (decimal only).
        Err(_) if !signed => Some(Scalar::Float(rounded(magnitude))),
        Err(_) => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number this large has no other form")]
fn rounded(value: u64) -> f64 {
    value as f64
}

/// A decimal number: digits with at most one point, at least one digit before it or behind a leading one, an optional
/// exponent. One too large for a float is a string.
fn decimal(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (unsigned.get(..at)?, unsigned.get(at + 1..)),
        None => (unsigned, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && all_digits(fraction),
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    if !mantissa_fits || !exponent_fits {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// A float as a key: the fewest digits that give the same single-precision number, with an exponent below 1e-4 and from
/// 1e6 on.
fn float_key(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, reason = "a key is single precision by definition")]
    let single = value as f32;
    if single.is_infinite() {
        return if single > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{single:e}");
    match scientific.split_once('e').map(|(mantissa, exponent)| (mantissa, exponent.parse::<i32>())) {
        Some((mantissa, Ok(exponent))) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => single.to_string(),
    }
}
