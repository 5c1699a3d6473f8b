//! An attempt as a command that makes the same request.

use crate::shapes::Header;

/// The headers that curl sends by itself; given, they would be sent twice.
const OWN: [&str; 4] = ["host", "content-length", "connection", "accept-encoding"];

/// The request as a command line. Signature and timestamp are those of then, so a receiver that checks the time refuses it.
pub(crate) fn command(url: &str, headers: &[Header], body: &[u8]) -> String {
    let mut lines = vec![format!("curl -X POST {}", quoted(url))];
    for header in headers {
        if !OWN.contains(&header.name.to_ascii_lowercase().as_str()) {
            lines.push(format!(
                "  -H {}",
                quoted(&format!("{}: {}", header.name, header.value))
            ));
        }
    }
    lines.push(format!("  --data-binary {}", quoted(&String::from_utf8_lossy(body))));
    lines.join(" \\\n")
}

/// A word for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_sent() {
        let header = |name: &str, value: &str| Header {
            name: name.into(),
            value: value.into(),
        };
        let headers = [header("Host", "x"), header("X-Sig", "it's")];
        let command = command("http://127.0.0.1:9/a?b=c&d", &headers, b"{\"a\": \"$HOME `id`\"}");
        assert_eq!(
            command,
            "curl -X POST 'http://127.0.0.1:9/a?b=c&d' \\\n  -H 'X-Sig: it'\\''s' \\\n  --data-binary '{\"a\": \"$HOME `id`\"}'"
        );
    }
}
