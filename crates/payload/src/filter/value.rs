//! Values during evaluation.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Number, Value as Json};
use tidings_domain::Timestamp;

use super::failure::Failure;

/// Result of evaluating a part of a filter. Lists, maps and most text borrow from the payload.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    /// A whole number of 64 bits, with a sign or without.
    Int(i128),
    Double(f64),
    Text(Cow<'a, str>),
    List(&'a [Json]),
    Map(&'a Map<String, Json>),
    Time(Timestamp),
}

impl<'a> From<&'a Json> for Value<'a> {
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::from(number),
            Json::String(text) => Self::Text(Cow::Borrowed(text)),
            Json::Array(list) => Self::List(list),
            Json::Object(map) => Self::Map(map),
        }
    }
}

impl From<&Number> for Value<'_> {
    fn from(number: &Number) -> Self {
        match number.as_i128() {
            Some(int) => Self::Int(int),
            None => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
        }
    }
}

impl Value<'_> {
    /// Kind of the value, for error messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Double(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
            Self::Time(_) => "a time",
        }
    }

    /// Compares two scalars. Values without an order give `None`. Numbers compare by value; two that were rounded to
    /// the same one can't be compared.
    pub(super) fn order<'f>(&self, other: &Self) -> Result<Option<Ordering>, Failure<'f>> {
        Ok(match (self, other) {
            (Self::Int(one), Self::Int(other)) => Some(one.cmp(other)),
            (Self::Double(one), Self::Double(other)) if one == other => {
                exact(*one)?;
                Some(Ordering::Equal)
            }
            (Self::Double(one), Self::Double(other)) => one.partial_cmp(other),
            (Self::Int(one), Self::Double(other)) => order_mixed(*one, *other),
            (Self::Double(one), Self::Int(other)) => order_mixed(*other, *one).map(Ordering::reverse),
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            (Self::Bool(one), Self::Bool(other)) => Some(one.cmp(other)),
            (Self::Time(one), Self::Time(other)) => Some(one.cmp(other)),
            _ => None,
        })
    }
}

/// 2⁶⁴, the first floating point number beyond the whole numbers.
const BEYOND: f64 = 18_446_744_073_709_551_616.0;

/// A floating point number that nothing hangs on but what it says. One beyond the whole numbers may stand for any of
/// hundreds of numbers that a payload can have, such as two different ids.
pub(super) fn exact<'f>(double: f64) -> Result<f64, Failure<'f>> {
    if double.is_finite() && double.abs() >= BEYOND {
        return Err(Failure::Inexact);
    }
    Ok(double)
}

/// Compares without rounding the whole number, which has more digits than a floating point number.
fn order_mixed(int: i128, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        None
    } else if double >= BEYOND {
        Some(Ordering::Less)
    } else if double < -BEYOND {
        Some(Ordering::Greater)
    } else {
        let by_fraction = 0.0_f64.partial_cmp(&double.fract())?;
        Some(int.cmp(&(double.trunc() as i128)).then(by_fraction))
    }
}
