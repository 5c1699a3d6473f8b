//! Compares with a real ECMAScript engine: Node.js, where the machine has it. The fixed vectors beside the code
//! hold without it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tidings_dialect::{Dialects, Message, canonical};
use tidings_domain::{EventId, Secret, Timestamp};

/// Runs a script with `input` as its parsed standard input and gives its parsed output; None without Node.js.
fn node(script: &str, input: &serde_json::Value) -> Option<serde_json::Value> {
    let script = format!("const input = JSON.parse(require('fs').readFileSync(0, 'utf8'));\n{script}");
    let child = Command::new("node")
        .args(["-e", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("no `node` here: nothing compared");
        return None;
    };
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![9 => Just(String::new()), 1 => "[ \t\r\n]{1,2}"]
}

fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z0-9 ./]{0,4}",
        2 => r"\\[\x22\\/bfnrt]",
        2 => r"\\u00[0-7][0-9a-fA-F]",
        1 => r"\\u[0-9a-fA-F]{4}",
        1 => r"\\u[dD][89abAB][0-9a-f]{2}",
        1 => r"\\u[dD][c-f][0-9a-f]{2}",
        1 => r"\\ud8[0-9a-f]{2}\\udc[0-9A-F]{2}",
        1 => "[é日😀\u{2028}\u{2029}\u{7f}\u{feff}]",
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "\"[a-c]\"",
        3 => "\"-?[0-9]{1,2}\"",
        1 => "\"42949672(8[0-9]|9[0-9])\"",
        1 => "\"(4294967294|4294967295|4294967296|9007199254740992|1e3|1\\.0|00|01|__proto__|constructor|toJSON|)\"",
        1 => r"\x22\\u003[0-9]\x22",
        2 => string(),
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?(0|[1-9][0-9]{0,24})",
        r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        r"-?[0-9]\.[0-9]{1,17}e-?(30[0-9]|32[0-9]|2[0-9]|[5-8])",
        any::<f64>()
            .prop_filter("finite", |double| double.is_finite())
            .prop_map(|double| format!("{double:e}")),
    ]
}

fn json() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned())
    ];
    let leaf = prop_oneof![1 => word, 3 => string(), 3 => number()];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let item = (space(), inner.clone(), space()).prop_map(|(before, item, after)| format!("{before}{item}{after}"));
        let member = (space(), key(), space(), inner)
            .prop_map(|(before, key, after, value)| format!("{before}{key}{after}:{value}"));
        prop_oneof![
            1 => prop::collection::vec(item, 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            2 => prop::collection::vec(member, 0..8).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

/// Mostly JSON that lost, gained or changed a character.
fn damaged() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "", ",", ":", "\"", "}", "]", "[", "0", "-", ".", "e", "\\", " ", "\n", "\t", "\u{a0}", "'", "\0",
    ]);
    (json(), any::<prop::sample::Index>(), odd, any::<bool>()).prop_map(|(text, at, odd, replace)| {
        let mut characters: Vec<String> = text.chars().map(String::from).collect();
        let at = at.index(characters.len());
        let kept = if replace { String::new() } else { characters[at].clone() };
        characters[at] = format!("{odd}{kept}");
        characters.concat()
    })
}

fn draw(strategy: impl Strategy<Value = String>, count: usize) -> Vec<String> {
    let mut runner = TestRunner::default();
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

#[test]
fn texts_are_printed_and_refused_as_node_does() {
    let mut texts = draw(json(), 6_000);
    texts.extend(draw(damaged(), 6_000));
    let reprint = "const print = text => { try { return JSON.stringify(JSON.parse(text)) } catch { return null } };
                   process.stdout.write(JSON.stringify(input.map(print)));";
    let Some(printed) = node(reprint, &texts.clone().into()) else {
        return;
    };

    let printed = printed.as_array().unwrap();
    assert_eq!(printed.len(), texts.len());
    for (text, expected) in texts.iter().zip(printed) {
        let ours = canonical::ecmascript(text.as_bytes())
            .ok()
            .map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(ours.as_deref(), expected.as_str(), "{text:?}");
        assert_eq!(canonical::check(text.as_bytes()).is_ok(), ours.is_some(), "{text:?}");
    }
    let refused = printed.iter().filter(|text| text.is_null()).count();
    assert!(
        (1_000..6_000).contains(&refused),
        "{refused} of the damaged texts were refused: is the test still one?"
    );
}

/// The verification code of UserHero's document, word for word, with what Express would give it.
#[test]
fn userheros_own_code_accepts_what_we_send() {
    let dialects = Dialects::builtin().unwrap();
    let event_type = "feedback.created".parse().unwrap();
    let settings = BTreeMap::new();
    let requests: Vec<serde_json::Value> = draw(json(), 500)
        .iter()
        .map(|payload| {
            let message = Message {
                event_id: EventId::new(),
                event_type: &event_type,
                occurred_at: Timestamp::now(),
                sent_at: Timestamp::now(),
                attempt: 1,
                payload: payload.as_bytes(),
                properties: &[],
                settings: &settings,
            };
            let request = dialects
                .get("userhero")
                .unwrap()
                .render(&message, &[Secret::new("shared").unwrap()])
                .unwrap();
            let signature = request
                .headers
                .iter()
                .find(|(name, _)| name == "x-userhero-signature")
                .unwrap()
                .1
                .to_str()
                .unwrap();
            serde_json::json!({"body": std::str::from_utf8(&request.body).unwrap(), "signature": signature})
        })
        .collect();
    let verify = "const crypto = require('crypto');
        function verifyWebhook(payload, signature, secret) {
          const expected = 'sha256=' + crypto
            .createHmac('sha256', secret)
            .update(payload)
            .digest('hex');

          return crypto.timingSafeEqual(
            Buffer.from(signature),
            Buffer.from(expected)
          );
        }
        const verdicts = input.map(r => verifyWebhook(JSON.stringify(JSON.parse(r.body)), r.signature, 'shared'));
        process.stdout.write(JSON.stringify(verdicts));";
    let Some(verdicts) = node(verify, &requests.clone().into()) else {
        return;
    };
    for (verdict, request) in verdicts.as_array().unwrap().iter().zip(&requests) {
        assert_eq!(verdict, true, "{request}");
    }
}
