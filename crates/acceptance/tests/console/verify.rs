//! The code by which receivers verify, as pages show it: run against what was delivered, and against what was changed.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use tidings_acceptance::{SOON, Standalone};
use tidings_proto::pb;
use tidings_testkit::{Receiver, languages};
use tokio::task::spawn_blocking;

use crate::browser::unescaped;
use crate::signed_in;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const OTHER_SECRET: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What a test adds to the code of a page: it reads a request from its input and prints the verdict.
const NODE: &str = r#"
const given = JSON.parse(require("node:fs").readFileSync(0));
console.log(verify(Buffer.from(given.body, "base64"), given.headers, given.secret));
"#;
const PHP: &str = r#"
$given = json_decode(file_get_contents('php://stdin'), true);
echo verify(base64_decode($given['body']), $given['headers'], $given['secret']) ? 'true' : 'false';
"#;
const PYTHON: &str = r#"
import base64
import json
import sys

given = json.load(sys.stdin)
print("true" if verify(base64.b64decode(given["body"]), given["headers"], given["secret"]) else "false")
"#;

/// The Rust of pages, which a test of the console holds to what is shown.
#[allow(unreachable_pub, reason = "receivers take it into crates of their own")]
mod rust {
    pub(super) mod standard {
        include!("verify/standard.rs");
    }
    pub(super) mod public_key {
        include!("verify/public_key.rs");
    }
    pub(super) mod body {
        include!("verify/body.rs");
    }
    pub(super) mod token {
        include!("verify/token.rs");
    }
}

/// A request as a receiver has it.
#[derive(Clone)]
struct Request {
    body: Vec<u8>,
    headers: BTreeMap<String, String>,
    secret: String,
}

impl Request {
    fn header<'a>(&'a self) -> impl Fn(&str) -> Option<&'a str> {
        |name| self.headers.get(name).map(String::as_str)
    }
}

/// A request that was delivered, and the code of the endpoint's page by language.
struct Delivered {
    request: Request,
    code: BTreeMap<&'static str, String>,
    _receiver: Receiver,
    _system: Standalone,
}

impl Delivered {
    async fn by(dialect: &str, secret: &str) -> Self {
        let (system, receiver) = (Standalone::start().await, Receiver::start().await);
        let tenant = system.operator.create_tenant("verifying").await;
        let mut wanted = tidings_acceptance::endpoint(&tenant, &receiver.url());
        dialect.clone_into(&mut wanted.dialect);
        secret.clone_into(&mut wanted.secret);
        let endpoint: pb::Endpoint = system.operator.create_endpoint(wanted).await;
        system.operator.ingest_is_up_to_date().await;
        let payload = json!({ "id": 12_345_678_901_234_567_890_u64, "name": "Zoë/π", "price": 1.10 });
        system.operator.publish(&tenant, "feedback.created", payload).await;
        let sent = receiver.wait_for(1, SOON).await.remove(0);
        let mut browser = signed_in(&system, &tenant.token).await;
        let page = browser
            .open(&format!("/webhooks/endpoints/{}/verify", endpoint.id))
            .await;
        assert_eq!(page.status, 200, "{}", page.text);
        let code = ["node", "php", "python", "go", "ruby", "java", "csharp", "rust"].map(|language| {
            let start = format!("id=\"snippet-{language}\"");
            let rest = page
                .text
                .split_once(&start)
                .unwrap_or_else(|| panic!("no {language}"))
                .1;
            let text = rest.split_once('>').unwrap().1.split("</pre>").next().unwrap();
            (language, unescaped(text))
        });
        let proof = match endpoint.public_key.as_str() {
            "" => secret,
            key => key,
        };
        Self {
            request: Request {
                body: sent.body.to_vec(),
                headers: sent
                    .headers
                    .iter()
                    .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                    .collect(),
                secret: proof.to_owned(),
            },
            code: code.into(),
            _receiver: receiver,
            _system: system,
        }
    }

    /// The verdict of the page's code on a request.
    async fn verdict(&self, language: &str, request: &Request) -> bool {
        let (extension, harness) = match language {
            "node" => ("js", NODE),
            "php" => ("php", PHP),
            _ => ("py", PYTHON),
        };
        let text = format!("{}{harness}", self.code[language]);
        let input = json!({
            "body": BASE64_STANDARD.encode(&request.body), "headers": request.headers, "secret": request.secret,
        });
        spawn_blocking(move || run(extension, &text, &input)).await.unwrap()
    }

    /// Asserts that the code accepts what was delivered, and refuses it with another secret.
    async fn is_told_from_strangers(&self, language: &str) {
        assert!(self.verdict(language, &self.request).await, "{}", self.code[language]);
        let other = Request {
            secret: match self.request.secret.strip_prefix("whpk_") {
                Some(_) => format!("whpk_{}", BASE64_STANDARD.encode([7; 32])),
                None => OTHER_SECRET.into(),
            },
            ..self.request.clone()
        };
        assert!(
            !self.verdict(language, &other).await,
            "{language} accepts another secret"
        );
    }

    /// Asserts that the code refuses what was changed on the way.
    async fn is_told_from_what_was_changed(&self, language: &str, header: &str) {
        let mut body = self.request.clone();
        body.body = String::from_utf8(body.body).unwrap().replace("Zoë", "Zoe").into();
        assert_ne!(body.body, self.request.body);
        let mut newline = self.request.clone();
        newline.body.push(b'\n');
        let mut signature = self.request.clone();
        let value = signature.headers.get_mut(header).unwrap();
        let last = value.pop().unwrap();
        let middle = value.len() / 2;
        let letter = if value.as_bytes()[middle] == b'a' { "b" } else { "a" };
        value.replace_range(middle..=middle, letter);
        value.push(last);
        let mut missing = self.request.clone();
        missing.headers.remove(header);
        for changed in [body, newline, signature, missing] {
            assert!(
                !self.verdict(language, &changed).await,
                "{language}: {:?}",
                changed.headers
            );
        }
    }
}

fn run(extension: &str, text: &str, input: &Value) -> bool {
    let directory = tempfile::TempDir::new().unwrap();
    let program = directory.path().join(format!("verify.{extension}"));
    std::fs::write(&program, text).unwrap();
    let mut child = languages::command(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(said.as_str(), "true" | "false"), "{said}{complaint}\n{text}");
    said == "true"
}

#[tokio::test(flavor = "multi_thread")]
async fn code_for_a_signature_with_a_time_tells_right_from_wrong() {
    let delivered = Delivered::by("standard", SECRET).await;
    for language in ["node", "php", "python"] {
        delivered.is_told_from_strangers(language).await;
        delivered
            .is_told_from_what_was_changed(language, "webhook-signature")
            .await;
        let mut old = delivered.request.clone();
        old.headers.insert("webhook-timestamp".into(), "1700000000".into());
        assert!(
            !delivered.verdict(language, &old).await,
            "{language} accepts an old one"
        );
    }
    let request = &delivered.request;
    assert!(rust::standard::verify(&request.body, request.header(), SECRET));
    assert!(!rust::standard::verify(&request.body, request.header(), OTHER_SECRET));
    assert!(!rust::standard::verify(b"{}", request.header(), SECRET));
    assert!(!rust::standard::verify(&request.body, |_| None, SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn code_for_a_signature_of_the_body_tells_right_from_wrong() {
    for (dialect, header) in [
        ("feedbackpulse", "x-feedbackpulse-signature"),
        ("userhero", "x-userhero-signature"),
    ] {
        let delivered = Delivered::by(dialect, SECRET).await;
        for language in ["node", "php", "python"] {
            delivered.is_told_from_strangers(language).await;
            delivered.is_told_from_what_was_changed(language, header).await;
        }
        if dialect == "userhero" {
            let request = &delivered.request;
            assert!(rust::body::verify(&request.body, request.header(), SECRET));
            assert!(!rust::body::verify(&request.body, request.header(), OTHER_SECRET));
            assert!(!rust::body::verify(b"{}", request.header(), SECRET));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_for_a_public_key_tells_right_from_wrong() {
    let private = tidings_domain::Secret::generate_ed25519();
    let delivered = Delivered::by("standard", private.reveal()).await;
    assert!(delivered.request.secret.starts_with("whpk_"));
    for language in ["node", "php"] {
        delivered.is_told_from_strangers(language).await;
        delivered
            .is_told_from_what_was_changed(language, "webhook-signature")
            .await;
    }
    assert!(!delivered.code.values().any(|code| code.contains(private.reveal())));
    let request = &delivered.request;
    let key = request.secret.as_str();
    assert!(rust::public_key::verify(&request.body, request.header(), key));
    assert!(!rust::public_key::verify(b"{}", request.header(), key));
}

#[tokio::test(flavor = "multi_thread")]
async fn code_for_a_token_tells_right_from_wrong() {
    let delivered = Delivered::by("abc-user-feedback", "a token of ours").await;
    for language in ["node", "php", "python"] {
        delivered.is_told_from_strangers(language).await;
        let mut missing = delivered.request.clone();
        missing.headers.remove("x-webhook-token");
        assert!(!delivered.verdict(language, &missing).await, "{language}");
    }
    let header = delivered.request.header();
    assert!(rust::token::verify(&header, "a token of ours"));
    assert!(!rust::token::verify(&header, "a token of others"));
}
