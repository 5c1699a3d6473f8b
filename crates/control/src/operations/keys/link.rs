//! The URL of a portal link: the page that it opens, and how that page looks to whoever comes by it.
//!
//! Token and look are in the fragment, which browsers do not send, so that they get into no server's log. Who has a link can
//! change it, so the console checks the look again and lets it decide about nothing else.

use tidings_domain::key::Token;
use tidings_service::problem::Problem;
use url::{Url, form_urlencoded};

use super::NewLink;

/// The console's first page, which all the others are below.
const CONSOLE: &str = "/webhooks";
/// The longest page with its query, in bytes. With the token it stays a URL that mails and chats leave in one piece.
const MAX_PAGE: usize = 1_024;
/// The languages of the console.
const LANGUAGES: [&str; 2] = ["en", "de"];

/// A page of the console and its look, checked.
pub(super) struct Opened<'a> {
    page: &'a str,
    lang: Option<&'a str>,
    accent: Option<&'a str>,
}

impl<'a> Opened<'a> {
    /// The page and the look that a new link opens. Fails with `page_invalid`, `language_unknown` or `accent_invalid`.
    pub(super) fn by(new: &'a NewLink) -> Result<Self, Problem> {
        Ok(Self {
            page: new.page.as_deref().map_or(Ok(CONSOLE), checked_page)?,
            lang: new.lang.as_deref().map(checked_language).transpose()?,
            accent: new.accent.as_deref().map(checked_accent).transpose()?,
        })
    }

    /// The URL that opens it with this token.
    pub(super) fn url(&self, public_url: &Url, token: &Token) -> Url {
        let (path, query) = match self.page.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.page, None),
        };
        let mut url = public_url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        url.set_query(query);
        let look = [("lang", self.lang), ("accent", self.accent)];
        let fragment = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token.reveal())
            .extend_pairs(look.into_iter().filter_map(|(name, value)| Some((name, value?))))
            .finish();
        url.set_fragment(Some(&fragment));
        url
    }
}

/// A page below the console that browsers ask for exactly as it is written. What they would change first is refused, because it
/// leads elsewhere: `/webhooks/../admin`, or another host.
fn checked_page(page: &str) -> Result<&str, Problem> {
    let refused = |detail: &str| Err(Problem::invalid("page_invalid", detail).at("page"));
    if page.len() > MAX_PAGE {
        return refused(&format!(
            "a page has at most {MAX_PAGE} bytes, this one has {}",
            page.len()
        ));
    }
    if page.contains('#') {
        return refused("a page has no fragment, because the token goes there: leave out `#` and what follows it");
    }
    let rest = page.strip_prefix(CONSOLE);
    if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) {
        return refused(
            "a page begins with `/webhooks`, without scheme and host: write it like `/webhooks/logs?status_code=5xx`",
        );
    }
    if page.contains("//") || page.contains('\\') {
        return refused("a page has neither `//` nor `\\`: in its query, write `/` as `%2F` and `\\` as `%5C`");
    }
    let absolute = format!("https://console{page}");
    match Url::parse(&absolute) {
        Ok(read) if read.as_str() == absolute => Ok(page),
        _ => refused(
            "a page is written as browsers send it: leave out `.` and `..`, and percent-encode blanks, quotes and everything \
             that is not ASCII",
        ),
    }
}

fn checked_language(code: &str) -> Result<&str, Problem> {
    if LANGUAGES.contains(&code) {
        return Ok(code);
    }
    let detail = format!(
        "the console does not speak this language: use {}",
        LANGUAGES.join(" or ")
    );
    Err(Problem::invalid("language_unknown", detail).at("lang"))
}

fn checked_accent(colour: &str) -> Result<&str, Problem> {
    let digits = colour.strip_prefix('#').filter(|digits| digits.len() == 6);
    if digits.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit())) {
        return Ok(colour);
    }
    let detail = "this is no colour: write it like `#2456c7`, with the red, green and blue in hexadecimal";
    Err(Problem::invalid("accent_invalid", detail).at("accent"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> NewLink {
        NewLink {
            page: Some(text.to_owned()),
            ..NewLink::default()
        }
    }

    fn refusal(new: &NewLink) -> (&'static str, String) {
        let problem = Opened::by(new).err().unwrap();
        (problem.code, problem.detail)
    }

    #[test]
    fn a_link_opens_a_page_below_the_public_url() {
        let token = Token::generate();
        let token_in = format!("#token={}", token.reveal());
        let url = |base: &str, new: &NewLink| {
            let opened = Opened::by(new).unwrap();
            opened.url(&base.parse().unwrap(), &token).to_string()
        };
        let plain = NewLink::default();
        for base in ["https://hooks.example.com", "https://hooks.example.com/"] {
            assert_eq!(
                url(base, &plain),
                format!("https://hooks.example.com/webhooks{token_in}")
            );
        }
        let looking = NewLink {
            lang: Some("de".into()),
            accent: Some("#FFe600".into()),
            ..page("/webhooks/logs?status_code=5xx&error=a%2F%2Fb")
        };
        assert_eq!(
            url("https://example.com/hooks/", &looking),
            format!(
                "https://example.com/hooks/webhooks/logs?status_code=5xx&error=a%2F%2Fb{token_in}&lang=de&accent=%23FFe600"
            )
        );
    }

    #[test]
    fn a_page_leads_nowhere_else() {
        for right in [
            "/webhooks",
            "/webhooks/",
            "/webhooks?range=week",
            "/webhooks/endpoints/ep_1/settings",
            "/webhooks/go?q=a+b%20c",
        ] {
            assert!(Opened::by(&page(right)).is_ok(), "{right}");
        }
        for (wrong, change) in [
            ("", "begins with `/webhooks`"),
            ("/", "begins with `/webhooks`"),
            ("/admin", "begins with `/webhooks`"),
            ("/webhooks.evil.example", "begins with `/webhooks`"),
            ("webhooks", "begins with `/webhooks`"),
            (" /webhooks", "begins with `/webhooks`"),
            ("https://evil.example/webhooks", "begins with `/webhooks`"),
            ("//evil.example/webhooks", "begins with `/webhooks`"),
            ("/webhooks#token=tk_other", "leave out `#`"),
            ("/webhooks//evil.example", "neither `//`"),
            ("/webhooks/go?q=https://evil.example", "write `/` as `%2F`"),
            ("/webhooks\\..\\admin", "begins with `/webhooks`"),
            ("/webhooks/\\evil", "`\\` as `%5C`"),
            ("/webhooks/../admin", "leave out `.` and `..`"),
            ("/webhooks/%2e%2E/admin", "leave out `.` and `..`"),
            ("/webhooks/a b", "percent-encode"),
            ("/webhooks/a\r\nSet-Cookie: b", "percent-encode"),
            ("/webhooks/a\tb", "percent-encode"),
            ("/webhooks/logs?error=gr\u{f6}\u{df}e", "percent-encode"),
            ("/webhooks/logs?error=\u{7f}", "percent-encode"),
        ] {
            let (code, detail) = refusal(&page(wrong));
            assert!(code == "page_invalid" && detail.contains(change), "{wrong:?}: {detail}");
        }
        let long = format!("/webhooks?{}", "a".repeat(MAX_PAGE));
        assert_eq!(
            refusal(&page(&long)).1,
            "a page has at most 1024 bytes, this one has 1034"
        );
    }

    #[test]
    fn a_look_is_a_language_of_the_console_and_a_colour() {
        for wrong in ["", "fr", "EN", "de-DE"] {
            let new = NewLink {
                lang: Some(wrong.into()),
                ..NewLink::default()
            };
            let (code, detail) = refusal(&new);
            assert!(
                code == "language_unknown" && detail.contains("en or de"),
                "{wrong:?}: {detail}"
            );
        }
        for wrong in [
            "",
            "blue",
            "#12",
            "2456c7",
            "#2456c7;",
            "#gggggg",
            "#\u{e9}\u{e9}\u{e9}",
        ] {
            let new = NewLink {
                accent: Some(wrong.into()),
                ..NewLink::default()
            };
            let (code, detail) = refusal(&new);
            assert!(
                code == "accent_invalid" && detail.contains("`#2456c7`"),
                "{wrong:?}: {detail}"
            );
        }
    }
}
