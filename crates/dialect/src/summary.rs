//! Summary of a payload for people, whatever product it is from: the template variable `digest`.
//!
//! Dialects for people (`slack.toml`, `discord.toml`) can't know every payload. The summary looks for well-known
//! keys, those of the five products first, at the top level and in the objects that usually describe an event.
//! Everything else becomes fields under its own name, except ids, timestamps and tokens.

mod changes;
mod links;
mod scalars;
mod values;
mod wording;

use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::Object;
use tidings_domain::EventType;
use tidings_domain::text::is_invisible;

use self::changes::Change;
use self::links::{is_picture, link, looks_like_a_link};
use self::scalars::{Kind, Scalars};
use self::wording::in_words;
use crate::members::decoded;

/// The parts of a message for people. Texts are as the payload has them: who shows them must escape them.
#[derive(Default)]
pub(crate) struct Summary {
    title: String,
    person: Option<String>,
    email: Option<String>,
    rating: Option<Rating>,
    message: Option<String>,
    /// Only `http` and `https`.
    link: Option<String>,
    image: Option<String>,
    /// All changes on one line, with old and new values.
    change: Option<String>,
    /// The news on one line, if no message tells it.
    news: Option<String>,
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

/// Maximum number of fields: Slack shows ten in a section.
const MAX_FIELDS: usize = 10;
/// Maximum fields that serve as the news.
const MAX_NEWS: usize = 4;
/// Keys for the subject of an event.
const SUBJECTS: [&str; 5] = ["title", "subject", "issue_name", "added_issue_name", "issue_title"];
/// Keys for a text that somebody wrote.
const MESSAGES: [&str; 9] = [
    "message",
    "text_feedback",
    "feedback",
    "comment",
    "text",
    "answer",
    "content",
    "body",
    "description",
];
/// Keys for a page that shows the event: those for people before those that may be for programs.
const LINKS: [&str; 13] = [
    "html_url",
    "web_url",
    "browser_url",
    "permalink",
    "permalink_url",
    "link",
    "public_url",
    "view_url",
    "share_url",
    "url",
    "issue_url",
    "page_url",
    "href",
];
/// Keys for pictures.
const PICTURES: [&str; 11] = [
    "screenshot_url",
    "screenshot",
    "image_url",
    "image",
    "picture",
    "photo",
    "screenshots",
    "images",
    "image_urls",
    "pictures",
    "photos",
];
/// Keys for lists that may contain pictures among other files.
const FILES: [&str; 2] = ["attachments", "files"];

impl Summary {
    /// Reads a payload that has been checked.
    pub(crate) fn of(event_type: &EventType, payload: &str) -> Self {
        let what = in_words(event_type.as_str());
        let mut found = Scalars::in_payload(payload, event_type);
        if found.is_empty() {
            return Self {
                title: what,
                ..Self::of_another_kind(payload)
            };
        }
        let subject = found.take(&SUBJECTS);
        let message = found.take(&MESSAGES);
        let email = found.take(&["email", "user_email", "customer_email"]);
        let person = found
            .take(&["customer_name", "user_name", "full_name", "author_name", "author"])
            .or_else(|| {
                // A name by itself may be anything's; with an address beside it, it is a person's.
                email.is_some().then(|| found.take(&["name"])).flatten()
            });
        let rating = found.rating();
        let tone = tone(&found, rating);
        let of_people = |text: &str| link(text).is_some() && !links::is_for_programs(text);
        let shown = found
            .take_url(&LINKS, of_people)
            .or_else(|| found.take_url(&LINKS, |text| link(text).is_some()));
        let image = found
            .take_url(&PICTURES, |text| link(text).is_some())
            .or_else(|| found.take_url(&FILES, |text| link(text).is_some() && is_picture(text)));
        let told = [
            ("Link", &LINKS[..], shown.is_none()),
            ("Picture", &PICTURES[..], image.is_none()),
        ];
        let unlinked: Vec<(String, String)> = told
            .into_iter()
            .filter(|(.., missing)| *missing)
            .filter_map(|(name, names, _)| Some((name.to_owned(), found.take_url(names, looks_like_a_link)?)))
            .map(|(name, url)| (name, one_line(&url)))
            .collect();
        let named = found.named_by(event_type);
        let change = in_one_line(&found.changes);
        let mut fields = found.fields(MAX_FIELDS - unlinked.len());
        if fields.is_empty() && message.is_none() && rating.is_none() {
            fields = found.everything(MAX_FIELDS - unlinked.len());
        }
        fields.extend(unlinked);
        let news = change
            .clone()
            .or_else(|| named.map(|(name, value)| format!("{name}: {value}")))
            .or_else(|| message.is_none().then(|| rest_of_the_news(rating, &fields)).flatten());
        Self {
            title: subject.map_or(what.clone(), |subject| format!("{what}: {}", one_line(&subject))),
            person: person.map(|name| one_line(&name)),
            email: email.map(|email| one_line(&email)),
            rating,
            message,
            link: shown.and_then(|url| link(&url)),
            image: image.and_then(|url| link(&url)),
            change,
            news,
            fields,
            tone,
        }
    }

    /// Summary of a payload that is not an object, or an empty one.
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
}

impl Object for Summary {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        match key {
            "title" => Some(Value::from(&*self.title)),
            "person" => text(&self.person),
            "email" => text(&self.email),
            "rating" => self.rating.map(|rating| rating.value.into()),
            "rating_max" => self.rating.map(|rating| rating.max.into()),
            "stars" => self.rating.map(|rating| rating.stars().into()),
            "message" => text(&self.message),
            "change" => text(&self.change),
            "news" => text(&self.news),
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

/// Hides the payload, which must not appear in logs.
impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Summary({} fields)", self.fields.len())
    }
}

impl Rating {
    fn stars(self) -> String {
        let Self { value, max } = self;
        if max != 5 {
            return format!("{value}/{max}");
        }
        let full = (0..max).filter(|star| f64::from(*star) + 0.5 <= value).count();
        "★".repeat(full) + &"☆".repeat(5 - full)
    }
}

fn in_one_line(changes: &[Change]) -> Option<String> {
    let told = changes
        .iter()
        .map(|Change { name, from, to }| format!("{name}: {from} → {to}"));
    Some(told.collect::<Vec<_>>().join(" · ")).filter(|told| !told.is_empty())
}

/// The news of an event without a message: how it was rated, and what else it says first.
fn rest_of_the_news(rating: Option<Rating>, fields: &[(String, String)]) -> Option<String> {
    let fields = fields
        .iter()
        .take(MAX_NEWS)
        .map(|(name, value)| format!("{name}: {value}"));
    let told: Vec<String> = rating.map(Rating::stars).into_iter().chain(fields).collect();
    (!told.is_empty()).then(|| told.join(" · "))
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

/// Tone by the first of these that is present: a changed status, the sender's sentiment, the rating, the status, the
/// priority.
fn tone(found: &Scalars<'_>, rating: Option<Rating>) -> Option<Tone> {
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
    let changed = found
        .changes
        .iter()
        .find(|change| matches!(&*change.name, "Status" | "State" | "Stage"));
    let by_change = changed.and_then(|change| tone_of_status(&change.to));
    let by_status = tone_of_status(&said("status")).filter(|tone| matches!(tone, Tone::Good));
    by_change
        .or(by_sentiment)
        .or(rating.map(by_rating))
        .or(by_status)
        .or(by_priority)
}

/// Tone of a status: done is good, rejected is bad, in progress is neutral, new says nothing.
fn tone_of_status(status: &str) -> Option<Tone> {
    match wording::in_snake_case(status).as_str() {
        "resolved" | "closed" | "done" | "approved" | "completed" | "complete" | "fixed" | "solved" | "merged"
        | "released" | "shipped" | "published" | "accepted" | "finished" | "delivered" => Some(Tone::Good),
        "rejected" | "declined" | "denied" | "failed" | "blocked" | "wont_fix" | "won_t_fix" | "reopened" => {
            Some(Tone::Bad)
        }
        "in_progress" | "in_review" | "review" | "started" | "planned" | "pending" | "waiting" | "on_hold"
        | "acknowledged" | "triaged" | "assigned" | "under_review" | "testing" => Some(Tone::Neutral),
        _ => None,
    }
}

impl Scalars<'_> {
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
}

/// The text without control characters; none when nothing is left to see.
fn visible(text: &str) -> Option<String> {
    let keep = |c: char| if c == '\n' || !c.is_control() { c } else { ' ' };
    let text: String = text.replace("\r\n", "\n").chars().map(keep).collect();
    let text = text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c));
    (!text.is_empty()).then(|| text.to_owned())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
