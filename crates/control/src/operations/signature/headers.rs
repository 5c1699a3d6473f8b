//! The headers that a receiver saw, beside those that were sent.

use super::finding::Finding;

/// A pasted block of headers: name and value of each line. What is no header line is passed over.
pub(super) fn read(pasted: &str) -> Vec<(String, String)> {
    pasted.lines().filter_map(line).collect()
}

/// `Name: value`, also as JSON and lists of languages print it: `"name": "value",`, `'name' => 'value'`.
fn line(text: &str) -> Option<(String, String)> {
    let text = text.trim().trim_start_matches(['{', '[', '<', '>', '*']).trim();
    let text = text.trim_start_matches("-H ").trim();
    let (name, value) = text.split_once("=>").or_else(|| text.split_once(':'))?;
    let quotes = ['"', '\''];
    let (name, value) = (name.trim().trim_matches(quotes), value.trim());
    // What stands in quotes ends with them, and with the comma behind.
    let value = match value.starts_with(quotes) {
        true => value.trim_end_matches([',', '}', ']']).trim().trim_matches(quotes),
        false => value.trim_end_matches(quotes),
    };
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    // CGI and WSGI call `X-Name` `HTTP_X_NAME`.
    let name = name.strip_prefix("HTTP_").unwrap_or(name).replace('_', "-");
    is_name.then(|| (name.to_ascii_lowercase(), value.to_owned()))
}

/// The value of a header.
pub(super) fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let header = headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    header.map(|(_, value)| value.as_str())
}

/// Differences in the headers that matter to a signature.
pub(super) fn compare(sent: &[(String, String)], received: &[(String, String)], matter: &[String]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = matter
        .iter()
        .filter_map(|name| compare_one(name, value(sent, name)?, received))
        .collect();
    if findings.is_empty() && !matter.is_empty() {
        let detail = "the headers that the signature needs are those that were sent";
        findings.push(Finding::fine("headers_same", detail));
    }
    findings
}

fn compare_one(name: &str, sent: &str, received: &[(String, String)]) -> Option<Finding> {
    let Some(value) = value(received, name) else {
        let detail = format!("the header `{name}` did not arrive, or was not pasted: check whether a proxy removes it");
        return Some(Finding::fault("header_missing", detail).with("header", name));
    };
    if value == sent {
        return None;
    }
    let finding = if value.split_whitespace().eq(sent.split_whitespace()) || value.trim() == sent.trim() {
        let detail = format!("blanks in the header `{name}` were changed");
        Finding::fault("header_blanks", detail)
    } else if value.eq_ignore_ascii_case(sent) {
        let detail = format!("the header `{name}` was changed between upper and lower case");
        Finding::fault("header_case", detail)
    } else if sent.starts_with(value) {
        let detail = format!("the header `{name}` was cut short");
        Finding::fault("header_cut", detail)
    } else {
        let detail =
            format!("the header `{name}` is another one than was sent: it belongs to another attempt, or was changed");
        Finding::fault("header_differs", detail)
    };
    Some(finding.with("header", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_people_paste_them() {
        let pasted = "POST / HTTP/1.1\nwebhook-id: evt_1\r\n  \"webhook-timestamp\": \"17\",\n'X-Sig' => 'sha256=ab'\n\
                      -H 'X-Other: a'\n[HTTP_X_TOKEN] => t\nnonsense";
        let read = read(pasted);
        let found = |name: &str| {
            read.iter()
                .find(|(other, _)| other == name)
                .map(|(_, value)| value.as_str())
        };
        assert_eq!(found("webhook-id"), Some("evt_1"));
        assert_eq!(found("webhook-timestamp"), Some("17"));
        assert_eq!(found("x-sig"), Some("sha256=ab"));
        assert_eq!(found("x-other"), Some("a"));
        assert_eq!(found("nonsense"), None);
    }

    #[test]
    fn what_happened_to_a_header_is_named() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let sent = [header("X-Sig", "sha256=abc"), header("X-Time", "17")];
        let matter = ["X-Sig".to_owned(), "X-Time".to_owned()];
        let codes = |pasted: &str| -> Vec<_> {
            let findings = compare(&sent, &read(pasted), &matter);
            findings.into_iter().map(|finding| finding.code).collect()
        };
        assert_eq!(codes("x-sig: sha256=abc\nx-time: 17"), ["headers_same"]);
        assert_eq!(codes("x-sig: sha256=abc"), ["header_missing"]);
        assert_eq!(codes("x-sig: SHA256=ABC\nx-time: 17"), ["header_case"]);
        assert_eq!(codes("x-sig: sha256=\nx-time: 18"), ["header_cut", "header_differs"]);
    }
}
