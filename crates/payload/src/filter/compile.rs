//! Compiles the parser's syntax tree into rules: every variable is resolved, every call checked.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, SourceInfo, operators};
use regex::RegexBuilder;
use serde_json::{Number, Value as Json};

use super::rule::{Comparison, Conversion, Operator, Quantifier, Rule, TextTest};
use super::{Filter, FilterError};

const FUNCTIONS: &str = "has, size, contains, startsWith, endsWith, matches, lowerAscii, int, double, string, \
                         timestamp, all, exists and exists_one";

pub(super) struct Compiler<'a> {
    text: &'a str,
    source: &'a SourceInfo,
    /// The names that macros gave to what they look at, the outermost first.
    elements: Vec<&'a str>,
    depth: usize,
}

type Compiled = Result<Rule, FilterError>;

impl<'a> Compiler<'a> {
    pub(super) fn new(text: &'a str, source: &'a SourceInfo) -> Self {
        Self {
            text,
            source,
            elements: Vec::new(),
            depth: 0,
        }
    }

    pub(super) fn compile(&mut self, expression: &'a IdedExpr) -> Compiled {
        if self.depth == Filter::MAX_DEPTH {
            let message = format!("this is nested more than {} deep: make it simpler", Filter::MAX_DEPTH);
            return Err(self.error(expression, message));
        }
        self.depth += 1;
        let rule = match &expression.expr {
            Expr::Call(call) => self.call(expression, call),
            Expr::Ident(name) => self.variable(expression, name),
            Expr::Literal(_) | Expr::List(_) => self.constant(expression).map(Rule::Constant),
            Expr::Select(select) => Ok(Rule::Field {
                of: self.boxed(&select.operand)?,
                name: select.field.clone(),
            }),
            _ => Err(self.error(
                expression,
                "objects can't be written in a filter: compare their members",
            )),
        };
        self.depth -= 1;
        rule
    }

    fn boxed(&mut self, expression: &'a IdedExpr) -> Result<Box<Rule>, FilterError> {
        self.compile(expression).map(Box::new)
    }

    fn two(&mut self, one: &'a IdedExpr, other: &'a IdedExpr) -> Result<Box<[Rule; 2]>, FilterError> {
        Ok(Box::new([self.compile(one)?, self.compile(other)?]))
    }

    fn variable(&self, expression: &IdedExpr, name: &str) -> Compiled {
        if let Some(depth) = self.elements.iter().rposition(|element| *element == name) {
            return Ok(Rule::Element(depth));
        }
        match name {
            "payload" | "data" => Ok(Rule::Payload),
            "type" => Ok(Rule::EventType),
            "occurred_at" => Ok(Rule::OccurredAt),
            _ => {
                let message = format!(
                    "there is no `{name}`: use `payload.{name}` for a member of the payload, `type` or `occurred_at`; \
                     text stands in quotes"
                );
                Err(self.error(expression, message))
            }
        }
    }

    fn constant(&self, expression: &IdedExpr) -> Result<Json, FilterError> {
        let fault = match &expression.expr {
            Expr::List(list) => return list.elements.iter().map(|element| self.constant(element)).collect(),
            Expr::Call(call) if call.func_name == operators::NEGATE && call.args.len() == 1 => {
                match self.constant(&call.args[0])? {
                    Json::Number(number) => negated(&number).map(Json::Number).ok_or("this number is too large"),
                    _ => Err("only numbers can be negative"),
                }
            }
            Expr::Literal(literal) => match literal {
                LiteralValue::Null => Ok(Json::Null),
                LiteralValue::Boolean(value) => Ok(Json::Bool(*value.inner())),
                LiteralValue::Int(value) => Ok(Json::from(*value.inner())),
                LiteralValue::Double(value) => Number::from_f64(*value.inner())
                    .map(Json::Number)
                    .ok_or("this number is too large"),
                LiteralValue::String(value) => Ok(Json::from(value.inner())),
                LiteralValue::UInt(_) => Err("payloads have no unsigned numbers: leave out the `u`"),
                LiteralValue::Bytes(_) => Err("payloads have no bytes: leave out the `b`"),
            },
            _ => Err("a list has fixed values: text in quotes, numbers, true, false or null"),
        };
        fault.map_err(|message| self.error(expression, message))
    }

    fn call(&mut self, expression: &'a IdedExpr, call: &'a CallExpr) -> Compiled {
        if let Some(rule) = self.operation(call) {
            return rule;
        }
        let name = call.func_name.as_str();
        if name == "matches" {
            return self.matches(expression, call);
        }
        let test = match name {
            "contains" => Some(TextTest::Contains),
            "startsWith" => Some(TextTest::StartsWith),
            "endsWith" => Some(TextTest::EndsWith),
            _ => None,
        };
        if let Some(test) = test {
            return match (&call.target, call.args.as_slice()) {
                (Some(text), [part]) => Ok(Rule::TextTest(test, self.two(text, part)?)),
                _ => Err(self.error_of_call(expression, call, format!("write `payload.name.{name}('text')`"))),
            };
        }
        let quantifier = match name {
            "all" => Some(Quantifier::All),
            "exists" => Some(Quantifier::Exists),
            "exists_one" => Some(Quantifier::ExistsOne),
            _ => None,
        };
        match quantifier {
            Some(quantifier) => self.quantify(expression, call, quantifier),
            None if name == "has" => self.has(expression, call),
            None => self.convert(expression, call),
        }
    }

    /// Compiles a call that is written as an operator.
    fn operation(&mut self, call: &'a CallExpr) -> Option<Compiled> {
        let compare = |comparison| move |rules| Rule::Compare(comparison, rules);
        let calculate = |operator| move |rules| Rule::Calculate(operator, rules);
        Some(match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_AND, [one, other]) => self.two(one, other).map(Rule::And),
            (operators::LOGICAL_OR, [one, other]) => self.two(one, other).map(Rule::Or),
            (operators::LOGICAL_NOT, [rule]) => self.boxed(rule).map(Rule::Not),
            (operators::NEGATE, [rule]) => self.boxed(rule).map(Rule::Negative),
            (operators::IN, [one, other]) => self.two(one, other).map(Rule::In),
            (operators::EQUALS, [one, other]) => self.two(one, other).map(compare(Comparison::Equal)),
            (operators::NOT_EQUALS, [one, other]) => self.two(one, other).map(compare(Comparison::NotEqual)),
            (operators::LESS, [one, other]) => self.two(one, other).map(compare(Comparison::Less)),
            (operators::LESS_EQUALS, [one, other]) => self.two(one, other).map(compare(Comparison::LessOrEqual)),
            (operators::GREATER, [one, other]) => self.two(one, other).map(compare(Comparison::Greater)),
            (operators::GREATER_EQUALS, [one, other]) => self.two(one, other).map(compare(Comparison::GreaterOrEqual)),
            (operators::ADD, [one, other]) => self.two(one, other).map(calculate(Operator::Add)),
            (operators::SUBSTRACT, [one, other]) => self.two(one, other).map(calculate(Operator::Subtract)),
            (operators::MULTIPLY, [one, other]) => self.two(one, other).map(calculate(Operator::Multiply)),
            (operators::DIVIDE, [one, other]) => self.two(one, other).map(calculate(Operator::Divide)),
            (operators::MODULO, [one, other]) => self.two(one, other).map(calculate(Operator::Remainder)),
            (operators::INDEX, [of, at]) => self.two(of, at).map(|rules| {
                let [of, at] = *rules;
                Rule::Index {
                    of: Box::new(of),
                    at: Box::new(at),
                }
            }),
            (operators::CONDITIONAL, [condition, one, other]) => self.choice(condition, one, other),
            _ => return None,
        })
    }

    fn choice(&mut self, condition: &'a IdedExpr, one: &'a IdedExpr, other: &'a IdedExpr) -> Compiled {
        let rules = [self.compile(condition)?, self.compile(one)?, self.compile(other)?];
        Ok(Rule::Choice(Box::new(rules)))
    }

    fn matches(&mut self, expression: &'a IdedExpr, call: &'a CallExpr) -> Compiled {
        let regex = match (&call.target, call.args.as_slice()) {
            (
                Some(text),
                [
                    IdedExpr {
                        expr: Expr::Literal(LiteralValue::String(regex)),
                        ..
                    },
                ],
            ) => Some((text, regex)),
            _ => None,
        };
        let Some((text, regex)) = regex else {
            let message = "write `payload.name.matches('regex')`; the regular expression is a text, not computed";
            return Err(self.error_of_call(expression, call, message));
        };
        let compiled = RegexBuilder::new(regex.inner())
            .size_limit(Filter::MAX_REGEX)
            .dfa_size_limit(Filter::MAX_REGEX)
            .build()
            .map_err(|error| {
                self.error_of_call(expression, call, format!("this regular expression is refused: {error}"))
            })?;
        Ok(Rule::Matches(self.boxed(text)?, compiled))
    }

    fn quantify(&mut self, expression: &'a IdedExpr, call: &'a CallExpr, quantifier: Quantifier) -> Compiled {
        let parts = match (&call.target, call.args.as_slice()) {
            (
                Some(list),
                [
                    IdedExpr {
                        expr: Expr::Ident(element),
                        ..
                    },
                    condition,
                ],
            ) => Some((list, element, condition)),
            _ => None,
        };
        let Some((list, element, condition)) = parts else {
            let message = format!("write `payload.list.{}(item, item.name == 'text')`", call.func_name);
            return Err(self.error_of_call(expression, call, message));
        };
        let list = self.boxed(list)?;
        self.elements.push(element);
        let condition = self.boxed(condition);
        self.elements.pop();
        Ok(Rule::Quantify {
            quantifier,
            list,
            condition: condition?,
        })
    }

    fn has(&mut self, expression: &'a IdedExpr, call: &'a CallExpr) -> Compiled {
        match (&call.target, call.args.as_slice()) {
            (
                None,
                [
                    IdedExpr {
                        expr: Expr::Select(select),
                        ..
                    },
                ],
            ) => Ok(Rule::Has {
                of: self.boxed(&select.operand)?,
                name: select.field.clone(),
            }),
            _ => {
                let message = "write `has(payload.name)`; for other names, `'a-name' in payload`";
                Err(self.error_of_call(expression, call, message))
            }
        }
    }

    /// Functions of one value: `size(value)`, and where CEL has it `value.size()`.
    fn convert(&mut self, expression: &'a IdedExpr, call: &'a CallExpr) -> Compiled {
        let argument = match (call.func_name.as_str(), call.target.as_deref(), call.args.as_slice()) {
            ("size", Some(value), []) | ("size", None, [value]) => Some((Conversion::Size, value)),
            ("lowerAscii", Some(value), []) => Some((Conversion::LowerAscii, value)),
            ("int", None, [value]) => Some((Conversion::Int, value)),
            ("double", None, [value]) => Some((Conversion::Double, value)),
            ("string", None, [value]) => Some((Conversion::Text, value)),
            ("timestamp", None, [value]) => Some((Conversion::Time, value)),
            _ => None,
        };
        match argument {
            Some((conversion, value)) => Ok(Rule::Convert(conversion, self.boxed(value)?)),
            None => {
                let message = match call.func_name.as_str() {
                    "size" => "write `size(payload.list)`".into(),
                    "lowerAscii" => "write `payload.name.lowerAscii()`".into(),
                    name @ ("int" | "double" | "string" | "timestamp") => format!("write `{name}(payload.name)`"),
                    "map" | "filter" => "a filter makes no lists: ask with `exists` or `all`".into(),
                    name => format!("there is no function `{name}`; there are {FUNCTIONS}"),
                };
                Err(self.error_of_call(expression, call, message))
            }
        }
    }

    fn error(&self, expression: &IdedExpr, message: impl AsRef<str>) -> FilterError {
        let (start, _) = self.source.offset_for(expression.id).unwrap_or_default();
        FilterError::at(self.text, start as usize, message)
    }

    /// An error about a call, whose place the parser gives as that of its bracket.
    fn error_of_call(&self, expression: &IdedExpr, call: &CallExpr, message: impl AsRef<str>) -> FilterError {
        let (bracket, _) = self.source.offset_for(expression.id).unwrap_or_default();
        let name = call.func_name.chars().count();
        FilterError::at(self.text, (bracket as usize).saturating_sub(name), message)
    }
}

fn negated(number: &Number) -> Option<Number> {
    match number.as_i64() {
        Some(int) => int.checked_neg().map(Number::from),
        None => number.as_f64().and_then(|double| Number::from_f64(-double)),
    }
}
