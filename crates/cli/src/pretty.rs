//! JSON texts as people and programs read them, with every name, number and string as it stands: nothing is parsed
//! and printed again, because what was sent is what a log must show.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// A text for people: indented if it is JSON, as it stands otherwise.
pub(crate) fn pretty(text: &[u8]) -> String {
    match serde_json::from_slice::<IgnoredAny>(text) {
        Ok(_) => indent(&String::from_utf8_lossy(text)),
        Err(_) => String::from_utf8_lossy(text).into_owned(),
    }
}

/// A text for programs, on one line: the JSON value, or a string if it is none.
pub(crate) fn value(text: &[u8]) -> Box<RawValue> {
    let text = String::from_utf8_lossy(text);
    // Strings can't contain line ends and tabs, so those of a JSON text are white space.
    RawValue::from_string(text.replace(['\n', '\r', '\t'], " "))
        .or_else(|_| serde_json::value::to_raw_value(&text))
        .unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Puts every member and element of a valid JSON text on a line of its own.
fn indent(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0;
    let mut in_string = false;
    let mut escaped = false;
    let mut chars = json.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(c) = chars.next() {
        match c {
            _ if in_string => {
                out.push(c);
                in_string = c != '"' || escaped;
                escaped = c == '\\' && !escaped;
            }
            ' ' | '\t' | '\n' | '\r' => {}
            '{' | '[' => {
                out.push(c);
                while chars.next_if(|c| matches!(c, ' ' | '\t' | '\n' | '\r')).is_some() {}
                match chars.next_if(|c| matches!(c, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth -= 1;
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => {
                in_string = c == '"';
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_nothing_else_changes() {
        let text = r#" {"a":[1.50,12345678901234567890123 ,{}, [ ]],"b\"}":"x, y: {\\","c":null} "#;
        let expected = "{\n  \"a\": [\n    1.50,\n    12345678901234567890123,\n    {},\n    []\n  ],\n  \
                        \"b\\\"}\": \"x, y: {\\\\\",\n  \"c\": null\n}";
        assert_eq!(pretty(text.as_bytes()), expected);
    }

    #[test]
    fn what_is_no_json_stays_as_it_is() {
        assert_eq!(pretty(b"<h1>502 Bad  Gateway</h1>"), "<h1>502 Bad  Gateway</h1>");
        assert_eq!(pretty(b""), "");
    }

    #[test]
    fn programs_get_the_value_on_one_line() {
        assert_eq!(
            value(b"{\n\t\"id\": 12345678901234567890123\r\n}").get(),
            "{  \"id\": 12345678901234567890123  }"
        );
        assert_eq!(value(b"no \"json\"\n").get(), r#""no \"json\"\n""#);
    }
}
