//! Whether two JSON texts say the same: numbers by value, to the last digit, objects whatever the order of their keys.

use serde_json::Value;

use super::json::Json;

/// True if two values are the same. `6`, `6.0` and `0.6e1` are one number; no digit beyond 64 bits is lost.
pub fn same(one: &Json, other: &Json) -> bool {
    one == other || same_value(&one.to_value(), &other.to_value())
}

/// As [`same`], of values that may be missing.
pub fn both_same(one: Option<&Json>, other: Option<&Json>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => same(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// As [`same`], of parsed values.
pub fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => same_number(one.as_str(), other.as_str()),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| same_value(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let has = |(key, value)| other.get(key).is_some_and(|found| same_value(value, found));
            one.len() == other.len() && one.iter().all(has)
        }
        (one, other) => one == other,
    }
}

/// True if two numbers have the same value.
pub(super) fn same_number(one: &str, other: &str) -> bool {
    one == other
        || matches!((Decimal::of(one), Decimal::of(other)), (Some(one), Some(other)) if one == other)
}

/// A number as its digits without zeros at either end, and the power of ten of the last.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// `None` if its exponent is beyond all measure: then only its text tells.
    fn of(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let dropped = i64::try_from(all.len() - digits.len()).ok()?;
        let fraction = i64::try_from(fraction.len()).ok()?;
        let exponent = exponent.parse::<i64>().ok()?;
        let exponent = exponent.checked_sub(fraction)?.checked_add(dropped)?;
        let digits = digits.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits,
                exponent: 0,
            });
        }
        Some(Self {
            negative,
            digits,
            exponent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_value() {
        let json = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        for (one, other) in [
            ("6", "6.0"),
            ("0.90", "0.9"),
            ("1e2", "100"),
            ("1E+2", "100.0"),
            ("-0", "0.00"),
            ("120", "1.2e2"),
            (r#"{"a":1,"b":[2.0]}"#, r#"{"b":[2],"a":1.0}"#),
            ("1e400", "10e399"),
        ] {
            assert!(same(&json(one), &json(other)), "{one} {other}");
        }
        for (one, other) in [
            ("6", "7"),
            ("1", "-1"),
            ("0.1", "0.01"),
            ("12345678901234567890123", "12345678901234567890124"),
            ("1", "\"1\""),
            ("0", "null"),
            (r#"{"a":1}"#, r#"{"a":1,"b":1}"#),
            ("[1,2]", "[2,1]"),
            ("1e99999999999999999999", "1"),
        ] {
            assert!(!same(&json(one), &json(other)), "{one} {other}");
        }
    }
}
