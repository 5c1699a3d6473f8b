//! Evaluates a filter on an event, in counted steps.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::arithmetic::{calculate, convert, negative};
use super::failure::Failure;
use super::rule::{Comparison, Conversion, Quantifier, Rule, TextTest};
use super::value::Value;
use crate::EventView;

/// Bytes of text examined per step.
const TEXT_PER_STEP: usize = 32;

/// One evaluation of a filter on an event.
pub(super) struct Evaluation<'a> {
    event: &'a EventView<'a>,
    /// Current elements of the enclosing macros, outermost first.
    elements: Vec<Value<'a>>,
    steps_left: u32,
}

type Evaluated<'a> = Result<Value<'a>, Failure<'a>>;
type Truth<'a> = Result<bool, Failure<'a>>;

impl<'a> Evaluation<'a> {
    /// Starts an evaluation with a budget of steps.
    pub(super) fn of(event: &'a EventView<'a>, steps: u32) -> Self {
        Self {
            event,
            elements: Vec::new(),
            steps_left: steps,
        }
    }

    /// Unused part of the budget.
    pub(super) fn steps_left(&self) -> u32 {
        self.steps_left
    }

    /// Evaluates a rule as a condition.
    pub(super) fn truth(&mut self, rule: &'a Rule) -> Truth<'a> {
        match self.value(rule)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(Failure::Unfit {
                what: "a condition",
                wanted: "true or false",
                found: other.kind(),
            }),
        }
    }

    fn value(&mut self, rule: &'a Rule) -> Evaluated<'a> {
        self.spend(1)?;
        match rule {
            Rule::Constant(value) => Ok(value.into()),
            Rule::Payload => self.event.payload().map(Value::from).map_err(Failure::Unreadable),
            Rule::EventType => Ok(Value::Text(self.event.event_type.into())),
            Rule::OccurredAt => Ok(Value::Time(self.event.occurred_at)),
            Rule::Element(depth) => self.elements.get(*depth).cloned().ok_or(Failure::NoSuchElement),
            Rule::Field { of, name } => member(self.value(of)?, name),
            Rule::Index { of, at } => self.element_at(of, at),
            Rule::Has { of, name } => self.has(of, name).map(Value::Bool),
            Rule::Not(rule) => self.truth(rule).map(|truth| Value::Bool(!truth)),
            Rule::Negative(rule) => negative(&self.value(rule)?),
            Rule::And(rules) => self.either(rules, false).map(Value::Bool),
            Rule::Or(rules) => self.either(rules, true).map(Value::Bool),
            Rule::Choice(rules) => {
                let [condition, one, other] = &**rules;
                let chosen = if self.truth(condition)? { one } else { other };
                self.value(chosen)
            }
            Rule::Compare(comparison, rules) => self.compare(*comparison, rules).map(Value::Bool),
            Rule::In(rules) => self.is_in(rules).map(Value::Bool),
            Rule::Calculate(operator, rules) => {
                let [one, other] = &**rules;
                calculate(*operator, &self.value(one)?, &self.value(other)?)
            }
            Rule::Convert(conversion, rule) => self.convert(*conversion, rule),
            Rule::TextTest(test, rules) => self.test_text(*test, rules).map(Value::Bool),
            Rule::Matches(rule, regex) => match self.value(rule)? {
                Value::Text(text) => {
                    self.spend(text.len())?;
                    Ok(Value::Bool(regex.is_match(&text)))
                }
                other => Err(needs_text("matches()", &other)),
            },
            Rule::Quantify {
                quantifier,
                list,
                condition,
            } => self.quantify(*quantifier, list, condition).map(Value::Bool),
        }
    }

    fn element_at(&mut self, of: &'a Rule, at: &'a Rule) -> Evaluated<'a> {
        match (self.value(of)?, self.value(at)?) {
            (Value::Map(map), Value::Text(name)) => {
                map.get(name.as_ref()).map(Value::from).ok_or(Failure::NoSuchElement)
            }
            (Value::List(list), Value::Int(index)) => usize::try_from(index)
                .ok()
                .and_then(|index| list.get(index))
                .map(Value::from)
                .ok_or(Failure::NoSuchElement),
            (Value::Map(_), other) => Err(needs_text("an index into an object", &other)),
            (Value::List(_), other) => Err(Failure::Unfit {
                what: "an index into a list",
                wanted: "a whole number",
                found: other.kind(),
            }),
            (other, _) => Err(Failure::Unfit {
                what: "an index",
                wanted: "an object or a list",
                found: other.kind(),
            }),
        }
    }

    /// Tests for a member. Without an object there is no member either; CEL makes that an error, which forces authors
    /// to test every object on the way.
    fn has(&mut self, of: &'a Rule, name: &str) -> Truth<'a> {
        match self.value(of) {
            Ok(Value::Map(map)) => Ok(map.contains_key(name)),
            Err(failure @ (Failure::TooManySteps | Failure::Unreadable(_))) => Err(failure),
            Ok(_) | Err(_) => Ok(false),
        }
    }

    /// `&&` and `||`: if either rule has the deciding value, that is the answer, even if the other can't be evaluated.
    fn either(&mut self, rules: &'a [Rule; 2], deciding: bool) -> Truth<'a> {
        let [one, other] = rules;
        let first = self.truth(one);
        if first == Ok(deciding) {
            return first;
        }
        let second = self.truth(other);
        if second == Ok(deciding) {
            second
        } else {
            first.and(second)
        }
    }

    fn compare(&mut self, comparison: Comparison, rules: &'a [Rule; 2]) -> Truth<'a> {
        let (one, other) = (self.value(&rules[0])?, self.value(&rules[1])?);
        match comparison {
            Comparison::Equal => self.equal(&one, &other),
            Comparison::NotEqual => self.equal(&one, &other).map(|equal| !equal),
            ordering => {
                let order = self.order(&one, &other)?;
                Ok(match ordering {
                    Comparison::Less => order == Ordering::Less,
                    Comparison::LessOrEqual => order != Ordering::Greater,
                    Comparison::Greater => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                })
            }
        }
    }

    fn order(&mut self, one: &Value<'a>, other: &Value<'a>) -> Result<Ordering, Failure<'a>> {
        self.spend_on_texts(one, other)?;
        let no_order = || Failure::NoOrder {
            one: one.kind(),
            other: other.kind(),
        };
        one.order(other)?.ok_or_else(no_order)
    }

    /// Equality; values of different kinds are never equal.
    fn equal(&mut self, one: &Value<'a>, other: &Value<'a>) -> Truth<'a> {
        self.spend(1)?;
        match (one, other) {
            (Value::Null, Value::Null) => Ok(true),
            (Value::List(one), Value::List(other)) if one.len() == other.len() => {
                for (one, other) in one.iter().zip(*other) {
                    if !self.equal(&one.into(), &other.into())? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Map(one), Value::Map(other)) if one.len() == other.len() => {
                for (name, one) in *one {
                    self.spend(1 + name.len() / TEXT_PER_STEP)?;
                    let Some(other) = other.get(name) else {
                        return Ok(false);
                    };
                    if !self.equal(&one.into(), &other.into())? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => {
                self.spend_on_texts(one, other)?;
                Ok(one.order(other)? == Some(Ordering::Equal))
            }
        }
    }

    /// Membership of an element in a list, or of a key in an object.
    fn is_in(&mut self, rules: &'a [Rule; 2]) -> Truth<'a> {
        match (self.value(&rules[0])?, self.value(&rules[1])?) {
            (element, Value::List(list)) => {
                for candidate in list {
                    if self.equal(&element, &candidate.into())? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Value::Text(name), Value::Map(map)) => Ok(map.contains_key(name.as_ref())),
            (_, other) => Err(Failure::Unfit {
                what: "`in`",
                wanted: "a list, or an object and a text",
                found: other.kind(),
            }),
        }
    }

    fn convert(&mut self, conversion: Conversion, rule: &'a Rule) -> Evaluated<'a> {
        let value = self.value(rule)?;
        if let Value::Text(text) = &value {
            self.spend(text.len() / TEXT_PER_STEP)?;
        }
        convert(conversion, value)
    }

    fn test_text(&mut self, test: TextTest, rules: &'a [Rule; 2]) -> Truth<'a> {
        let (text, part) = match (self.value(&rules[0])?, self.value(&rules[1])?) {
            (Value::Text(text), Value::Text(part)) => (text, part),
            (Value::Text(_), other) | (other, _) => return Err(needs_text(test.name(), &other)),
        };
        self.spend((text.len() + part.len()) / TEXT_PER_STEP)?;
        Ok(match test {
            TextTest::Contains => text.contains(part.as_ref()),
            TextTest::StartsWith => text.starts_with(part.as_ref()),
            TextTest::EndsWith => text.ends_with(part.as_ref()),
        })
    }

    /// Asks the condition of every element of a list, or of every member's name. As with `&&` and `||`, an element
    /// that decides the answer does so whatever can't be evaluated for the others.
    fn quantify(&mut self, quantifier: Quantifier, list: &'a Rule, condition: &'a Rule) -> Truth<'a> {
        let holding = match self.value(list)? {
            Value::List(list) => self.count(quantifier, list.iter().map(Value::from), condition)?,
            Value::Map(map) => {
                let names = map.keys().map(|name| Value::Text(name.as_str().into()));
                self.count(quantifier, names, condition)?
            }
            other => {
                return Err(Failure::Unfit {
                    what: quantifier.name(),
                    wanted: "a list or an object",
                    found: other.kind(),
                });
            }
        };
        Ok(match quantifier {
            Quantifier::All => holding.all,
            Quantifier::Exists => holding.number > 0,
            Quantifier::ExistsOne => holding.number == 1,
        })
    }

    /// Counts the elements that the condition holds for, until the answer is certain.
    fn count(
        &mut self,
        quantifier: Quantifier,
        elements: impl Iterator<Item = Value<'a>>,
        condition: &'a Rule,
    ) -> Result<Holding, Failure<'a>> {
        let mut holding = Holding { number: 0, all: true };
        let mut failure = None;
        for element in elements {
            self.elements.push(element);
            let truth = self.truth(condition);
            self.elements.pop();
            match truth {
                Ok(true) => holding.number += 1,
                Ok(false) => holding.all = false,
                Err(Failure::TooManySteps) => return Err(Failure::TooManySteps),
                Err(error) => failure = Some(error),
            }
            let certain = match quantifier {
                Quantifier::All => !holding.all,
                Quantifier::Exists => holding.number > 0,
                Quantifier::ExistsOne => false,
            };
            if certain {
                return Ok(holding);
            }
        }
        failure.map_or(Ok(holding), Err)
    }

    fn spend_on_texts(&mut self, one: &Value<'_>, other: &Value<'_>) -> Result<(), Failure<'a>> {
        match (one, other) {
            (Value::Text(one), Value::Text(other)) => self.spend(one.len().min(other.len()) / TEXT_PER_STEP),
            _ => Ok(()),
        }
    }

    fn spend(&mut self, steps: usize) -> Result<(), Failure<'a>> {
        let left = u32::try_from(steps)
            .ok()
            .and_then(|steps| self.steps_left.checked_sub(steps));
        // What is spent stays spent, so that nothing goes on after `||` took the failure for an answer.
        self.steps_left = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Failure::TooManySteps)
    }
}

/// For how many elements a condition holds.
struct Holding {
    number: usize,
    all: bool,
}

fn member<'a>(of: Value<'a>, name: &'a str) -> Evaluated<'a> {
    match of {
        Value::Map(map) => map
            .get(name)
            .map(|value: &'a Json| value.into())
            .ok_or(Failure::Missing(name)),
        _ => Err(Failure::Missing(name)),
    }
}

fn needs_text<'a>(what: &'static str, found: &Value<'_>) -> Failure<'a> {
    Failure::Unfit {
        what,
        wanted: "text",
        found: found.kind(),
    }
}

impl TextTest {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Contains => "contains()",
            Self::StartsWith => "startsWith()",
            Self::EndsWith => "endsWith()",
        }
    }
}

impl Quantifier {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::All => "all()",
            Self::Exists => "exists()",
            Self::ExistsOne => "exists_one()",
        }
    }
}
