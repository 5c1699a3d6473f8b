//! Compiled form of a filter.

use regex::Regex;
use serde_json::Value as Json;

/// A part of a filter. Every name in it is known: what could be wrong with the text alone was refused when it was
/// compiled.
#[derive(Debug)]
pub(super) enum Rule {
    /// A value written in the filter: a scalar, or a list of scalars.
    Constant(Json),
    /// `payload` or `data`.
    Payload,
    /// `type`.
    EventType,
    /// `occurred_at`.
    OccurredAt,
    /// The element that the macro at this depth, from 0, looks at.
    Element(usize),
    /// `of.name`
    Field { of: Box<Rule>, name: String },
    /// `of[at]`
    Index { of: Box<Rule>, at: Box<Rule> },
    /// `has(of.name)`
    Has { of: Box<Rule>, name: String },
    /// `!rule`
    Not(Box<Rule>),
    /// `-rule`
    Negative(Box<Rule>),
    /// `one && other`
    And(Box<[Rule; 2]>),
    /// `one || other`
    Or(Box<[Rule; 2]>),
    /// `condition ? one : other`
    Choice(Box<[Rule; 3]>),
    /// `one < other` and its like
    Compare(Comparison, Box<[Rule; 2]>),
    /// `one in other`
    In(Box<[Rule; 2]>),
    /// `one + other` and its like
    Calculate(Operator, Box<[Rule; 2]>),
    /// Call of a conversion function, such as `int(value)`.
    Convert(Conversion, Box<Rule>),
    /// `text.contains(part)` and its like
    TextTest(TextTest, Box<[Rule; 2]>),
    /// `text.matches('regex')`
    Matches(Box<Rule>, Regex),
    /// `list.exists(element, condition)` and its like
    Quantify {
        quantifier: Quantifier,
        list: Box<Rule>,
        condition: Box<Rule>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Conversion {
    Size,
    Int,
    Double,
    Text,
    Time,
    LowerAscii,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantifier {
    All,
    Exists,
    ExistsOne,
}

impl Rule {
    /// Tells if the rule can result in `true` or `false`.
    pub(super) fn may_be_truth(&self) -> bool {
        match self {
            Self::Constant(value) => value.is_boolean(),
            Self::EventType | Self::OccurredAt | Self::Negative(_) | Self::Calculate(..) | Self::Convert(..) => false,
            Self::Choice(parts) => parts[1..].iter().all(Self::may_be_truth),
            _ => true,
        }
    }
}
