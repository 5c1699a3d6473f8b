//! Arithmetic and conversions. They report overflow and lost precision as errors and never panic.

use std::borrow::Cow;

use super::failure::Failure;
use super::rule::{Conversion, Operator};
use super::value::{Value, exact};

/// `one + other` and its like. Whole numbers stay whole; with a floating point number among them the result is one.
pub(super) fn calculate<'a>(operator: Operator, one: &Value<'_>, other: &Value<'_>) -> Result<Value<'a>, Failure<'a>> {
    let name = operator.name();
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => {
            let result = match operator {
                Operator::Add => one.checked_add(*other),
                Operator::Subtract => one.checked_sub(*other),
                Operator::Multiply => one.checked_mul(*other),
                Operator::Divide => one.checked_div(*other),
                Operator::Remainder => one.checked_rem(*other),
            };
            int(name, result)
        }
        _ => {
            let (one, other) = (double(name, one)?, double(name, other)?);
            Ok(Value::Double(match operator {
                Operator::Add => one + other,
                Operator::Subtract => one - other,
                Operator::Multiply => one * other,
                Operator::Divide => one / other,
                Operator::Remainder => one % other,
            }))
        }
    }
}

/// `-value`; fails for the smallest integer.
pub(super) fn negative<'a>(value: &Value<'_>) -> Result<Value<'a>, Failure<'a>> {
    match value {
        Value::Int(value) => int("-", value.checked_neg()),
        other => double("-", other).map(|double| Value::Double(-double)),
    }
}

/// `size(value)`, `int(value)` and their like.
pub(super) fn convert<'a>(conversion: Conversion, value: Value<'a>) -> Result<Value<'a>, Failure<'a>> {
    let unfit = |wanted| Failure::Unfit {
        what: conversion.name(),
        wanted,
        found: value.kind(),
    };
    let unreadable = Failure::NotReadableAs(conversion.name());
    Ok(match (conversion, &value) {
        (Conversion::Size, Value::Text(text)) => Value::Int(text.chars().count() as i128),
        (Conversion::Size, Value::List(list)) => Value::Int(list.len() as i128),
        (Conversion::Size, Value::Map(map)) => Value::Int(map.len() as i128),
        (Conversion::Size, _) => return Err(unfit("text, a list or an object")),

        (Conversion::Int, Value::Int(int)) => Value::Int(*int),
        (Conversion::Int, Value::Double(double)) => Value::Int(whole(*double).ok_or(unreadable)?),
        (Conversion::Int, Value::Text(text)) => Value::Int(whole_of(text).ok_or(unreadable)?),
        (Conversion::Int, Value::Time(time)) => Value::Int(time.as_second().into()),
        (Conversion::Int, _) => return Err(unfit("a number, text or a time")),

        (Conversion::Double, Value::Int(int)) => Value::Double(*int as f64),
        (Conversion::Double, Value::Double(double)) => Value::Double(*double),
        (Conversion::Double, Value::Text(text)) => Value::Double(text.parse().map_err(|_| unreadable)?),
        (Conversion::Double, _) => return Err(unfit("a number or text")),

        (Conversion::Text, Value::Text(_)) => value,
        (Conversion::Text, Value::Int(int)) => Value::Text(int.to_string().into()),
        (Conversion::Text, Value::Double(double)) => Value::Text(exact(*double)?.to_string().into()),
        (Conversion::Text, Value::Bool(truth)) => Value::Text(truth.to_string().into()),
        (Conversion::Text, Value::Time(time)) => Value::Text(time.to_string().into()),
        (Conversion::Text, _) => return Err(unfit("text, a number, true, false or a time")),

        (Conversion::Time, Value::Text(text)) => Value::Time(text.parse().map_err(|_| unreadable)?),
        (Conversion::Time, Value::Time(time)) => Value::Time(*time),
        (Conversion::Time, _) => return Err(unfit("text like 2026-01-31T09:00:00Z")),

        (Conversion::LowerAscii, Value::Text(text)) => Value::Text(Cow::Owned(text.to_ascii_lowercase())),
        (Conversion::LowerAscii, _) => return Err(unfit("text")),
    })
}

impl Operator {
    fn name(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

impl Conversion {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Size => "size()",
            Self::Int => "int()",
            Self::Double => "double()",
            Self::Text => "string()",
            Self::Time => "timestamp()",
            Self::LowerAscii => "lowerAscii()",
        }
    }
}

fn double<'a>(what: &'static str, value: &Value<'_>) -> Result<f64, Failure<'a>> {
    match value {
        Value::Int(int) => Ok(*int as f64),
        Value::Double(double) => exact(*double),
        other => Err(Failure::Unfit {
            what,
            wanted: "numbers",
            found: other.kind(),
        }),
    }
}

/// A whole number of 64 bits, with a sign or without.
fn whole_of(text: &str) -> Option<i128> {
    let fits = |int: &i128| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(int);
    text.parse().ok().filter(fits)
}

/// The result of a calculation, if it has 64 bits with its sign.
fn int<'a>(what: &'static str, result: Option<i128>) -> Result<Value<'a>, Failure<'a>> {
    let fits = |int: &i128| i64::try_from(*int).is_ok();
    result.filter(fits).map(Value::Int).ok_or(Failure::Arithmetic(what))
}

/// The whole part of a number, if it fits.
fn whole(double: f64) -> Option<i128> {
    let fits = double.is_finite() && double.abs() < i64::MAX as f64;
    fits.then_some(double as i128)
}
