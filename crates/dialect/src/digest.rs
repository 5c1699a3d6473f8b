//! What a person wants to know of a payload, whatever product it is from.
//!
//! Dialects for people (`slack.toml`, `discord.toml`) can't know every payload. A digest looks for well-known keys,
//! those of the five products first, at the top level and in the objects that usually hold what an event is about.
//! What it does not know becomes fields by their own names; ids, timestamps and tokens are left out.

mod found;
mod words;

use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::Object;
use tidings_domain::EventType;
use url::Url;

use self::found::{Found, Kind};
use self::words::in_words;
use crate::members::decoded;

/// The parts of a message for people. Texts are as the payload has them: who shows them must escape them.
#[derive(Default)]
pub(crate) struct Digest {
    title: String,
    person: Option<String>,
    email: Option<String>,
    rating: Option<Rating>,
    message: Option<String>,
    /// Only http and https.
    link: Option<String>,
    image: Option<String>,
    /// Names and values, one line each and none empty.
    fields: Vec<(String, String)>,
    tone: Option<Tone>,
}

#[derive(Clone, Copy)]
struct Rating {
    value: f64,
    max: u32,
}

#[derive(Clone, Copy)]
enum Tone {
    Good,
    Neutral,
    Bad,
    Urgent,
}

/// The most fields: Slack shows ten in a section.
const MAX_FIELDS: usize = 10;
/// The longest URL that services take, with room to spare: Discord's limit is 2048.
const MAX_URL: usize = 2000;

impl Digest {
    /// Reads a payload that has been checked.
    pub(crate) fn of(event_type: &EventType, payload: &str) -> Self {
        let what = in_words(event_type.as_str());
        let mut found = Found::in_payload(payload);
        if found.is_empty() {
            return Self {
                title: what,
                ..Self::of_another_kind(payload)
            };
        }
        let subject = found.take(&["title", "subject", "issue_name", "added_issue_name", "issue_title"]);
        let message = found.take(&[
            "message",
            "text_feedback",
            "feedback",
            "comment",
            "text",
            "answer",
            "content",
            "body",
            "description",
        ]);
        let email = found.take(&["email", "user_email", "customer_email"]);
        let person = found
            .take(&["customer_name", "user_name", "full_name", "author_name", "author"])
            .or_else(|| {
                // A name by itself may be anything's; with an address beside it, it is a person's.
                email.is_some().then(|| found.take(&["name"])).flatten()
            });
        let rating = found.rating();
        let tone = tone(&found, rating);
        let link = found.take_url(&["url", "link", "permalink", "html_url", "issue_url", "page_url"]);
        let image = found.take_url(&["screenshot_url", "screenshot", "image_url", "image"]);
        let mut fields = found.fields(MAX_FIELDS);
        if fields.is_empty() && message.is_none() && rating.is_none() {
            fields = found.everything(MAX_FIELDS);
        }
        Self {
            title: subject.map_or(what.clone(), |subject| format!("{what}: {}", one_line(&subject))),
            person: person.map(|name| one_line(&name)),
            email: email.map(|email| one_line(&email)),
            rating,
            message,
            link,
            image,
            fields,
            tone,
        }
    }

    /// What there is to say of a payload that is no object, or an empty one.
    fn of_another_kind(payload: &str) -> Self {
        let text = payload.trim();
        let message = match text.as_bytes().first() {
            Some(b'"') => visible(&decoded(text)),
            Some(b'{' | b'[') => None,
            _ if text == "null" => None,
            _ => Some(text.to_owned()),
        };
        Self {
            message,
            ..Self::default()
        }
    }

    fn stars(&self) -> Option<String> {
        let Rating { value, max } = self.rating?;
        if max != 5 {
            return Some(format!("{value}/{max}"));
        }
        let full = (0..max).filter(|star| f64::from(*star) + 0.5 <= value).count();
        Some("★".repeat(full) + &"☆".repeat(5 - full))
    }
}

impl Object for Digest {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        match key {
            "title" => Some(Value::from(&*self.title)),
            "person" => text(&self.person),
            "email" => text(&self.email),
            "rating" => self.rating.map(|rating| rating.value.into()),
            "rating_max" => self.rating.map(|rating| rating.max.into()),
            "stars" => self.stars().map(Value::from),
            "message" => text(&self.message),
            "link" => text(&self.link),
            "image" => text(&self.image),
            "fields" => Some(self.fields.iter().map(field).collect()),
            "tone" => self.tone.map(|tone| tone.name().into()),
            _ => None,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }
}

fn field((name, value): &(String, String)) -> Value {
    Value::from_pairs([("name", Value::from(&**name)), ("value", Value::from(&**value))])
}

/// Payloads are not for logs.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({} fields)", self.fields.len())
    }
}

impl Tone {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Neutral => "neutral",
            Self::Bad => "bad",
            Self::Urgent => "urgent",
        }
    }
}

/// What the sender felt, if they said it; else how pressing it is, else how it stands.
fn tone(found: &Found<'_>, rating: Option<Rating>) -> Option<Tone> {
    let said = |key: &str| found.peek(key).map(str::to_lowercase).unwrap_or_default();
    let by_rating = |rating: Rating| match rating {
        // The groups of the Net Promoter Score: promoters, passives, detractors.
        Rating { value, max: 10 } if value >= 9.0 => Tone::Good,
        Rating { value, max: 10 } if value >= 7.0 => Tone::Neutral,
        Rating { value, max } if max != 10 && value >= 0.7 * f64::from(max) => Tone::Good,
        Rating { value, max } if max != 10 && value >= 0.5 * f64::from(max) => Tone::Neutral,
        _ => Tone::Bad,
    };
    let by_sentiment = match said("sentiment").as_str() {
        "positive" | "happy" => Some(Tone::Good),
        "neutral" | "mixed" => Some(Tone::Neutral),
        "negative" | "angry" => Some(Tone::Bad),
        _ => None,
    };
    let by_priority = match said("priority").as_str() {
        "urgent" | "critical" | "highest" | "blocker" => Some(Tone::Urgent),
        "high" => Some(Tone::Bad),
        "medium" | "normal" | "neutral" => Some(Tone::Neutral),
        _ => None,
    };
    let by_status = match said("status").as_str() {
        "resolved" | "closed" | "done" | "approved" | "completed" => Some(Tone::Good),
        _ => None,
    };
    by_sentiment.or(rating.map(by_rating)).or(by_priority).or(by_status)
}

impl Found<'_> {
    /// Stars are out of five and scores out of ten, unless the number says otherwise.
    fn rating(&mut self) -> Option<Rating> {
        let stars = self
            .take_number(&["star_rating", "rating", "stars"])
            .map(|value| (value, 5));
        let (value, usual_max) = stars.or_else(|| self.take_number(&["score", "nps"]).map(|value| (value, 10)))?;
        let max = [5, 10, 100]
            .into_iter()
            .find(|max| *max >= usual_max && value <= f64::from(*max))?;
        (value >= 0.0).then_some(Rating { value, max })
    }

    fn take_number(&mut self, keys: &[&str]) -> Option<f64> {
        self.take_if(keys, |found| found.kind == Kind::Number)?.parse().ok()
    }

    fn take_url(&mut self, keys: &[&str]) -> Option<String> {
        let url = self.take_if(keys, |found| link(&found.text).is_some())?;
        link(&url)
    }
}

/// A URL that may be shown as a link. What would end a link in Slack's or Discord's formats is escaped.
fn link(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    let escaped = url.as_str().replace('|', "%7C").replace('(', "%28").replace(')', "%29");
    (plain && escaped.len() <= MAX_URL).then_some(escaped)
}

/// The text without control characters; none when nothing is left to see.
fn visible(text: &str) -> Option<String> {
    let keep = |c: char| if c == '\n' || !c.is_control() { c } else { ' ' };
    let text: String = text.replace("\r\n", "\n").chars().map(keep).collect();
    let text = text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
    (!text.is_empty()).then(|| text.to_owned())
}

/// Characters that take no room: services call a text of nothing else empty.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
