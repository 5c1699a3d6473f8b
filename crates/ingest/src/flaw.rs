//! Locates the fault when a request's body is not JSON because of its payload, so that HTTP reports it in the same
//! words as gRPC.

use tidings_service::problem::Problem;

use crate::validate::check_is_json;

/// The problem of the payload that can't be read in a body that can't be; nothing if the flaw lies elsewhere.
pub(crate) fn in_payload(body: &[u8]) -> Option<Problem> {
    let flaw = tidings_dialect::canonical::check(body).err()?;
    let (begins_at, event) = payload_around(body.get(..flaw.at)?)?;
    let problem = check_is_json(body.get(begins_at..)?).err()?;
    Some(match event {
        Some(number) => problem.at(format!("events[{number}].payload")),
        None => problem,
    })
}

/// Offset of the payload in which the text breaks off, and the number of its event in a batch. Everything before it
/// is valid JSON.
fn payload_around(text: &[u8]) -> Option<(usize, Option<usize>)> {
    let (mut path, mut at) = (Path::default(), 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let end = at + 1 + end_of_string(&text[at + 1..]).unwrap_or(text.len() - at - 1);
                path.string(&text[at + 1..end]);
                at = end;
            }
            b'{' | b'[' => path.open(*byte == b'['),
            b'}' | b']' => path.close(),
            b':' => path.value(at + 1),
            b',' => path.next(),
            _ => {}
        }
        at += 1;
    }
    let (begins_at, event) = path.payload?;
    let blanks = text[begins_at..]
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    Some((begins_at + blanks, event))
}

/// Length of a string up to its closing quote.
fn end_of_string(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })
}

/// The place in a body that is read.
#[derive(Default)]
struct Path {
    /// Of each container that is open: the key or the number of what is read in it.
    open: Vec<Step>,
    last_string: Vec<u8>,
    /// The payload that is read, and how many containers were open when it began.
    payload: Option<(usize, Option<usize>)>,
    depth: usize,
}

enum Step {
    Key(Vec<u8>),
    Number(usize),
}

impl Path {
    fn string(&mut self, text: &[u8]) {
        if self.payload.is_none() {
            self.last_string = text.to_vec();
        }
    }

    fn open(&mut self, is_list: bool) {
        let first = if is_list {
            Step::Number(0)
        } else {
            Step::Key(Vec::new())
        };
        self.open.push(first);
    }

    fn close(&mut self) {
        self.open.pop();
        self.ends_at(self.open.len() + 1);
    }

    fn next(&mut self) {
        self.ends_at(self.open.len());
        if let Some(Step::Number(number)) = self.open.last_mut() {
            *number += 1;
        }
    }

    fn value(&mut self, at: usize) {
        if self.payload.is_some() {
            return;
        }
        if let Some(Step::Key(key)) = self.open.last_mut() {
            key.clone_from(&self.last_string);
        }
        let is = |step: &Step, name: &[u8]| matches!(step, Step::Key(key) if key == name);
        let event = match self.open.as_slice() {
            [payload] if is(payload, b"payload") => None,
            [events, Step::Number(number), payload] if is(events, b"events") && is(payload, b"payload") => {
                Some(*number)
            }
            _ => return,
        };
        (self.payload, self.depth) = (Some((at, event)), self.open.len());
    }

    /// Ends whatever is being read at this depth.
    fn ends_at(&mut self, depth: usize) {
        if depth == self.depth {
            self.payload = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(body: &str) -> Option<String> {
        in_payload(body.as_bytes()).and_then(|problem| problem.field)
    }

    #[test]
    fn a_payload_is_refused_as_if_it_came_alone() {
        for payload in [
            "{\"a\": 01}",
            "01",
            "{\"a\": 1,}",
            "[1 2]",
            "tru",
            "{'a': 1}",
            "\"\\x\"",
            "{\"a\":\n\n nope}",
            "",
            "{\"a\" 1}",
            "[\"payload\", {\"payload\": 1, \"b\": }]",
            "1.e5",
            "{\"a\": \"\u{1}\"}",
            "{} {}",
            "NaN",
            "[1,]",
        ] {
            let alone = check_is_json(payload.as_bytes()).unwrap_err();
            let one = format!(r#"{{"event_type": "a.b", "payload":  {payload}, "tenant_id": null}}"#);
            let last = format!(r#"{{"payload":{payload}}}"#);
            for body in [one, last] {
                let inside = in_payload(body.as_bytes()).unwrap();
                let ends_early = alone.detail.contains("too early");
                assert_eq!((inside.code, &inside.field), (alone.code, &alone.field), "{body}");
                assert!(
                    ends_early || inside.detail == alone.detail,
                    "{body}: {} {}",
                    inside.detail,
                    alone.detail
                );
            }
            let batch = format!(r#"{{"events": [{{"payload": [1, {{}}]}}, {{"a": [{{}}], "payload": {payload}}}]}}"#);
            assert_eq!(field(&batch).as_deref(), Some("events[1].payload"), "{batch}");
        }
    }

    #[test]
    fn a_flaw_elsewhere_is_not_the_payload_s() {
        for body in [
            r#"{"payload": {"a": 1}, "event_type": nope}"#,
            r#"{"event_type": nope, "payload": {"a": 1}}"#,
            r#"{"data": {"payload": nope}}"#,
            r#"[{"payload": nope}]"#,
            r#"{"events": {"payload": nope}}"#,
            r#"{"payload": {"a": 1}}"#,
            r#"{"x": "payload", "y": nope}"#,
            "",
        ] {
            assert_eq!(field(body), None, "{body}");
        }
    }
}
