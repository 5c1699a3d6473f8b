//! Values of a payload on one line, for people.

use std::borrow::Cow;

use super::wording::in_snake_case;
use super::{links, one_line, visible};
use crate::members::{decoded, members};

/// Maximum items of a list that are shown.
pub(super) const MAX_ITEMS: usize = 10;
/// Keys with the name of an object: a person, a label, a status.
const NAMES: [&str; 6] = ["name", "title", "label", "display_name", "login", "value"];

/// A string, number or boolean on one line; `None` if nothing is visible.
pub(super) fn scalar(value: &str) -> Option<Cow<'static, str>> {
    match value.as_bytes().first()? {
        b'"' => visible(&decoded(value)).map(|text| one_line(&text).into()),
        b't' => Some("yes".into()),
        b'f' => Some("no".into()),
        b'-' | b'0'..=b'9' => Some(value.to_owned().into()),
        _ => None,
    }
}

/// The items of a list in one line, things by their names; none if there is nothing to say.
pub(super) fn joined(items: &[&str]) -> Option<String> {
    let said = |item: &&str| scalar(item).map(Cow::into_owned).or_else(|| name_in(item));
    let mut texts: Vec<String> = items.iter().take(MAX_ITEMS).filter_map(said).collect();
    if texts.is_empty() {
        // A list of files may have nothing but URLs.
        return items.iter().find_map(|item| url_of(item));
    }
    if items.len() > MAX_ITEMS {
        texts.push("…".to_owned());
    }
    Some(texts.join(", "))
}

/// The name of an object, by the keys in [`NAMES`].
pub(super) fn name_in(object: &str) -> Option<String> {
    let members = members(object)?;
    let named = |name: &&str| {
        let member = members.iter().find(|member| in_snake_case(&member.key) == **name)?;
        scalar(member.value)
    };
    NAMES.iter().find_map(named).map(Cow::into_owned)
}

/// The URL that an item of a list is, or has.
pub(super) fn url_of(item: &str) -> Option<String> {
    const URLS: [&str; 7] = ["url", "src", "href", "image_url", "file_url", "download_url", "link"];
    let text = if item.starts_with('"') {
        decoded(item).into_owned()
    } else {
        let members = members(item)?;
        let of = |name: &&str| members.iter().find(|member| in_snake_case(&member.key) == **name);
        let member = URLS.iter().find_map(of)?;
        scalar(member.value)?.into_owned()
    };
    links::looks_like_a_link(&text).then_some(text)
}
