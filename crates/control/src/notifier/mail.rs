//! Mails to the contacts of endpoints (RFC 5322), over SMTP.

use std::time::Duration;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use minijinja::{AutoEscape, Environment, context};
use percent_encoding::percent_decode_str;
use tidings_domain::destination::read_url;
use tidings_domain::{Endpoint, Notice, NoticeKind, Timestamp};

use super::Config;

/// Limits for one command to the mail server, and for a whole mail.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest name or error in a mail, in characters.
const SHOWN: usize = 300;

const TEXT: &str = "mail.txt";
const HTML: &str = "mail.html";

/// Sends mails by SMTP.
pub(super) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    unsubscribe: String,
    templates: Environment<'static>,
}

/// The result of sending a mail.
pub(super) enum Sent {
    /// The mail server took it over.
    Accepted,
    /// The mail server will never take it.
    Refused(String),
    /// It may be accepted later, for the given reason.
    NotNow(String),
}

/// A configuration by which no mail can be sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The address of the mail server.
    #[error(
        "notifier.smtp_url is not usable ({0}): write it like `smtps://user:password@mail.example.com`, \
         `smtp://mail.example.com:587?tls=required` or `smtp://127.0.0.1:25`"
    )]
    Url(String),
    /// The sender's address (`from`).
    #[error("notifier.from: `{0}` is not an address: write it like `Webhooks <webhooks@example.com>`")]
    From(String),
    /// The unsubscribe address (`unsubscribe`).
    #[error("notifier.unsubscribe: `{0}` is neither an `https://` nor a `mailto:` URL")]
    Unsubscribe(String),
    /// The additional certificates (`ca_file`).
    #[error("notifier.smtp_ca_file: {0}")]
    Certificates(String),
    /// The templates, which are part of the program.
    #[error("the template of mails is broken: {0}")]
    Template(#[from] minijinja::Error),
}

/// `true` for notices that are mailed. Recovery is no reason to disturb anybody, and single deliveries are too many.
pub(super) fn is_mailed(kind: NoticeKind) -> bool {
    matches!(kind, NoticeKind::EndpointFailing | NoticeKind::EndpointDisabled)
}

impl Mailer {
    /// A mailer for the configured server; none if no server is configured.
    pub(super) fn new(config: &Config) -> Result<Option<Self>, MailError> {
        if config.smtp_url.is_empty() {
            return Ok(None);
        }
        let from: Mailbox = config.from.parse().map_err(|_| MailError::From(config.from.clone()))?;
        let unsubscribe = match config.unsubscribe.as_str() {
            "" => format!("mailto:{}?subject=unsubscribe%20{{endpoint}}", from.email),
            url if is_way_to_unsubscribe(url) => url.to_owned(),
            other => return Err(MailError::Unsubscribe(other.to_owned())),
        };
        Ok(Some(Self {
            transport: transport(config)?,
            from,
            unsubscribe,
            templates: templates()?,
        }))
    }

    /// Mails a notice to the endpoint's contact.
    pub(super) async fn send(
        &self,
        notice: &Notice,
        endpoint: &Endpoint,
        contact: &str,
        disable_after: Duration,
    ) -> Sent {
        let message = match self.message(notice, endpoint, contact, disable_after) {
            Ok(message) => message,
            Err(error) => return Sent::Refused(error),
        };
        let Ok(answer) = tokio::time::timeout(TIMEOUT, self.transport.send(message)).await else {
            return Sent::NotNow(format!("the mail server took longer than {} s", TIMEOUT.as_secs()));
        };
        match answer {
            Ok(_) => Sent::Accepted,
            Err(error) if error.is_permanent() && !is_about_us(&error) => Sent::Refused(with_cause(&error)),
            Err(error) => Sent::NotNow(with_cause(&error)),
        }
    }

    fn message(
        &self,
        notice: &Notice,
        endpoint: &Endpoint,
        contact: &str,
        disable_after: Duration,
    ) -> Result<Message, String> {
        let to: Address = contact
            .parse()
            .map_err(|_| format!("`{contact}` is not a mail address"))?;
        let name = match one_line(&endpoint.name) {
            name if name.is_empty() => endpoint.id.to_string(),
            name => format!("\u{201c}{name}\u{201d}"),
        };
        let disabled = notice.kind == NoticeKind::EndpointDisabled;
        let unsubscribe = self.unsubscribe.replace("{endpoint}", &endpoint.id.to_string());
        let values = context! {
            name => &name,
            disabled => disabled,
            id => endpoint.id.to_string(),
            url => endpoint.url.as_str(),
            at => seconds(notice.at),
            detail => one_line(&notice.detail),
            event => notice.delivery.map(|(_, event)| event.to_string()),
            delivery => notice.delivery.map(|(delivery, _)| delivery.to_string()),
            disable_after => (!disable_after.is_zero()).then(|| humantime::format_duration(disable_after).to_string()),
            unsubscribe => &unsubscribe,
        };
        let fill = |template| {
            let filled = self
                .templates
                .get_template(template)
                .and_then(|template| template.render(&values));
            filled.map_err(|error| error.to_string())
        };
        let subject = if disabled {
            format!("Webhook endpoint {name} was turned off")
        } else {
            format!("Webhook endpoint {name} is failing")
        };
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(subject)
            // The same for every try, so that a mail that goes out twice is one for its reader.
            .message_id(Some(format!("<{}@{}>", notice.id, self.from.email.domain())))
            .multipart(MultiPart::alternative_plain_html(fill(TEXT)?, fill(HTML)?))
            .map_err(|error| error.to_string())?;
        let headers = message.headers_mut();
        for (name, value) in [
            // RFC 3834: no vacation notes in return.
            ("Auto-Submitted", "auto-generated".to_owned()),
            // RFC 2369, and RFC 8058 for a click that needs no page.
            ("List-Unsubscribe", format!("<{unsubscribe}>")),
        ] {
            headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
        }
        if unsubscribe.starts_with("https://") {
            let name = HeaderName::new_from_ascii_str("List-Unsubscribe-Post");
            headers.insert_raw(HeaderValue::new(name, "List-Unsubscribe=One-Click".to_owned()));
        }
        Ok(message)
    }
}

/// The result of a test of the mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailCheck {
    /// No mail server is configured.
    Off,
    /// It takes connections, and our login.
    Well,
    /// The reason why no mail can be sent.
    Failed(String),
}

/// Connects and logs in, and sends nothing.
pub async fn check(config: &Config) -> MailCheck {
    if config.smtp_url.is_empty() {
        return MailCheck::Off;
    }
    let mailer = match Mailer::new(config) {
        Ok(Some(mailer)) => mailer,
        Ok(None) => return MailCheck::Off,
        Err(error) => return MailCheck::Failed(error.to_string()),
    };
    match mailer.transport.test_connection().await {
        Ok(true) => MailCheck::Well,
        Ok(false) => MailCheck::Failed("the server answers, but not like a mail server that accepts mail".into()),
        Err(error) => MailCheck::Failed(with_cause(&error)),
    }
}

fn transport(config: &Config) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailError> {
    let url = read_url(config.smtp_url.reveal()).map_err(|error| MailError::Url(error.reason()))?;
    let host = url.host_str().ok_or_else(|| MailError::Url("no host".into()))?;
    let host = host.trim_matches(['[', ']']);
    let tls = url
        .query_pairs()
        .find(|(key, _)| key == "tls")
        .map(|(_, value)| value.into_owned());
    let (tls, port) = match (url.scheme(), tls.as_deref()) {
        ("smtps", None) => (Tls::Wrapper(tls_parameters(config, host)?), 465),
        ("smtp", None | Some("none")) => (Tls::None, 25),
        ("smtp", Some("required")) => (Tls::Required(tls_parameters(config, host)?), 587),
        ("smtp", Some("opportunistic")) => (Tls::Opportunistic(tls_parameters(config, host)?), 25),
        ("smtp", Some(other)) => {
            return Err(MailError::Url(format!(
                "`tls={other}`: use required, opportunistic or none"
            )));
        }
        (scheme, _) => return Err(MailError::Url(format!("`{scheme}://` is neither smtp nor smtps"))),
    };
    // A connection for each mail, which are few: one that a slow mail was cut off on could not be used again.
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(url.port().unwrap_or(port))
        .tls(tls)
        .timeout(Some(COMMAND_TIMEOUT));
    if !url.username().is_empty() {
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let password = url.password().unwrap_or_default();
        builder = builder.credentials(Credentials::new(decoded(url.username()), decoded(password)));
    }
    Ok(builder.build())
}

fn tls_parameters(config: &Config, host: &str) -> Result<TlsParameters, MailError> {
    let wrong = |error: String| MailError::Certificates(error);
    let mut parameters = TlsParameters::builder(host.to_owned());
    if let Some(file) = &config.smtp_ca_file {
        let pem = std::fs::read(file).map_err(|error| wrong(format!("cannot read {}: {error}", file.display())))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    parameters.build_rustls().map_err(|error| wrong(error.to_string()))
}

/// `true` if the text may stand in `List-Unsubscribe` (RFC 2369), where a URL is bare.
fn is_way_to_unsubscribe(text: &str) -> bool {
    let bare = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>');
    read_url(text).is_ok_and(|url| matches!(url.scheme(), "https" | "mailto")) && text.chars().all(bare)
}

fn templates() -> Result<Environment<'static>, minijinja::Error> {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|name| {
        if name == HTML {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    templates.add_template(TEXT, include_str!("mail.txt"))?;
    templates.add_template(HTML, include_str!("mail.html"))?;
    Ok(templates)
}

/// `true` if the server rejects us and not the mail: it wants other credentials or an encrypted connection (RFC 4954,
/// section 6). Once that is mended, the mail can go.
fn is_about_us(error: &lettre::transport::smtp::Error) -> bool {
    error
        .status()
        .is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538))
}

/// The error with what caused it, which the mail library leaves to the reader.
fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Makes customers' text fit for a line: no line breaks or other control characters, and limited in length.
fn one_line(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = visible.take(SHOWN).collect();
    if text.chars().count() > SHOWN {
        line.push('…');
    }
    line.trim().to_owned()
}

/// Formats a time to the second.
fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests {
    use tidings_domain::{DeliveryId, EventId, TenantId};
    use tidings_service::SecretText;
    use uuid::Uuid;

    use super::*;

    fn config(smtp_url: &str) -> Config {
        Config {
            smtp_url: SecretText::from(smtp_url.to_owned()),
            from: "Webhooks <webhooks@example.com>".into(),
            ..Config::default()
        }
    }

    fn endpoint(name: &str) -> Endpoint {
        let url = "https://crm.example.com/hook?a=1&b=2".parse().unwrap();
        Endpoint {
            name: name.into(),
            ..Endpoint::new(TenantId::new(), url, "standard", Timestamp::now())
        }
    }

    fn notice(kind: NoticeKind, endpoint: &Endpoint, detail: &str) -> Notice {
        let event = EventId::new();
        Notice {
            id: Uuid::now_v7(),
            kind,
            tenant: endpoint.tenant,
            endpoint: endpoint.id,
            delivery: Some((DeliveryId::derive(event, endpoint.id), event)),
            at: "2026-01-07T15:30:00.5Z".parse().unwrap(),
            detail: detail.into(),
            tries: 0,
        }
    }

    fn mail(config: &Config, kind: NoticeKind, name: &str, detail: &str) -> String {
        let endpoint = endpoint(name);
        let mailer = Mailer::new(config).unwrap().unwrap();
        let notice = notice(kind, &endpoint, detail);
        let days = Duration::from_secs(5 * 24 * 3600);
        let message = mailer.message(&notice, &endpoint, "ops@example.com", days).unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        assert!(
            text.contains(&format!("Message-ID: <{}@example.com>", notice.id)),
            "{text}"
        );
        text
    }

    #[test]
    fn a_mail_says_what_fails_in_text_and_html() {
        let text = mail(
            &config("smtp://127.0.0.1"),
            NoticeKind::EndpointFailing,
            "CRM",
            "the endpoint answered 503",
        );
        for part in [
            "From: Webhooks <webhooks@example.com>\r\n",
            "To: ops@example.com\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "List-Unsubscribe: <mailto:webhooks@example.com?subject=unsubscribe%20ep_",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Type: text/html; charset=utf-8",
            "2026-01-07T15:30:00Z",
            "the endpoint answered 503",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(!text.contains("List-Unsubscribe-Post"));
    }

    #[test]
    fn one_click_unsubscribes_where_there_is_a_page() {
        let config = Config {
            unsubscribe: "https://example.com/no-more/{endpoint}".into(),
            ..config("smtp://127.0.0.1")
        };
        let text = mail(&config, NoticeKind::EndpointDisabled, "CRM", "it failed for 5days");
        assert!(
            text.contains("List-Unsubscribe: <https://example.com/no-more/ep_"),
            "{text}"
        );
        assert!(
            text.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"),
            "{text}"
        );
    }

    #[test]
    fn what_customers_wrote_adds_no_header_and_no_tag() {
        let name = "x\r\nBcc: everybody@example.com\r\n\r\n<script>alert(1)</script>";
        let text = mail(
            &config("smtp://127.0.0.1"),
            NoticeKind::EndpointFailing,
            name,
            "\r\n<b>bold</b>",
        );
        assert!(!text.lines().any(|line| line.starts_with("Bcc:")), "{text}");
        let html = text.split("text/html").nth(1).unwrap().replace("=\r\n", "");
        assert!(!html.contains("<script>") && !html.contains("<b>"), "{html}");
    }

    #[test]
    fn a_configuration_that_can_not_work_is_refused() {
        let problem = |config: &Config| Mailer::new(config).err().unwrap().to_string();
        for (url, words) in [
            ("mail.example.com", "is not usable"),
            ("http://mail.example.com", "neither smtp nor smtps"),
            (
                "smtp://mail.example.com?tls=perhaps",
                "use required, opportunistic or none",
            ),
        ] {
            assert!(
                problem(&config(url)).contains(words),
                "{url}: {}",
                problem(&config(url))
            );
        }
        let nobody = Config {
            from: "nobody".into(),
            ..config("smtp://127.0.0.1")
        };
        assert!(problem(&nobody).contains("notifier.from: `nobody` is not an address"));
        for unsubscribe in ["javascript:alert(1)", "no more", "https://example.com/\r\nBcc:x"] {
            let nowhere = Config {
                unsubscribe: unsubscribe.into(),
                ..config("smtp://127.0.0.1")
            };
            assert!(problem(&nowhere).contains("notifier.unsubscribe"));
        }
        assert!(Mailer::new(&Config::default()).unwrap().is_none());
    }

    #[test]
    fn text_in_a_line_is_short_and_visible() {
        assert_eq!(one_line(" a\r\nb\u{7} "), "a  b");
        assert_eq!(one_line(&"x".repeat(400)).chars().count(), SHOWN + 1);
    }
}
