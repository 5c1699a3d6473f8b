//! URLs of a payload: those that a service will link, preferring pages for people.

use tidings_domain::destination::read_url;
use url::{Host, Url};

/// The longest URL that services take, with room to spare: Discord's limit is 2048.
const MAX_URL: usize = 2000;

/// A URL that may be shown as a link or a picture. What would end a link in Slack's or Discord's formats is escaped.
///
/// Discord refuses a whole message for one URL that it does not like: a host without a dot, with an underscore, an
/// address. Such URLs, and those that lead into somebody's own network, are texts and no links.
pub(super) fn link(text: &str) -> Option<String> {
    let url = read_url(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    let escaped = url.as_str().replace('|', "%7C").replace('(', "%28").replace(')', "%29");
    (plain && has_public_name(&url) && escaped.len() <= MAX_URL).then_some(escaped)
}

/// Recognises a text meant as a link, even one that services refuse.
pub(super) fn looks_like_a_link(text: &str) -> bool {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    (lower.starts_with("http://") || lower.starts_with("https://")) && !text.contains(char::is_whitespace)
}

/// Recognises URLs of APIs.
pub(super) fn is_for_programs(text: &str) -> bool {
    let Ok(url) = text.parse::<Url>() else { return false };
    let host = url.host_str().unwrap_or_default();
    let path = url.path();
    host.starts_with("api.")
        || host.contains(".api.")
        || path.starts_with("/api/")
        || path.starts_with("/rest/")
        || path.ends_with(".json")
}

/// Recognises file names of pictures.
pub(super) fn is_picture(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    ["png", "jpg", "jpeg", "gif", "webp"]
        .iter()
        .any(|ending| path.strip_suffix(ending).is_some_and(|name| name.ends_with('.')))
}

fn has_public_name(url: &Url) -> bool {
    const LOCAL: [&str; 6] = ["localhost", "local", "localdomain", "internal", "invalid", "test"];
    let Some(Host::Domain(name)) = url.host() else {
        return false;
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let of_a_name = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        of_a_name && !label.starts_with('-') && !label.ends_with('-')
    };
    let Some((_, last)) = name.rsplit_once('.') else {
        return false;
    };
    let is_top_level = last.len() > 1 && last.bytes().any(|byte| byte.is_ascii_alphabetic());
    name.split('.').all(is_label) && is_top_level && !LOCAL.contains(&last) && !name.ends_with(".home.arpa")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_refuses_is_no_link() {
        for text in [
            "http://localhost:3000/feedback/1",
            "http://intranet/feedback",
            "https://my_host.example.com/",
            "http://127.0.0.1/",
            "https://93.184.216.34/",
            "http://2130706433/",
            "http://[::1]/",
            "https://a..example/",
            "https://a.example:99999/",
            "https://-a.example/",
            "https://a.local/",
            "https://a.b.internal/",
            "https://printer.home.arpa/",
            "https://a.example/b c",
            "https:/a.example/",
            "ftp://a.example/",
            "",
        ] {
            assert_eq!(link(text), None, "{text}");
        }
        for (text, shown) in [
            ("https://a.example/(x)|y", "https://a.example/%28x%29%7Cy"),
            ("http://bücher.example/", "http://xn--bcher-kva.example/"),
            ("https://a-b.example.:8443/?q", "https://a-b.example.:8443/?q"),
        ] {
            assert_eq!(link(text).as_deref(), Some(shown));
        }
    }

    #[test]
    fn what_programs_read_is_told_from_pages() {
        for text in [
            "https://api.github.com/x",
            "https://a.example/api/v2/x",
            "https://a.example/x.json",
        ] {
            assert!(is_for_programs(text), "{text}");
        }
        assert!(!is_for_programs("https://github.com/acme/api"));
        assert!(is_picture("https://a.example/1.PNG?w=1") && !is_picture("https://a.example/png"));
    }
}
