//! Turns identifiers into words.

/// `feedback.status_changed` and `FEEDBACK_STATUS_CHANGED` are "Feedback status changed", `userEmail` is "User email",
/// `nps.ask_later` is "NPS ask later".
pub(super) fn in_words(name: &str) -> String {
    let words: Vec<String> = split(name).iter().map(|word| spelled(word)).collect();
    let text = words.join(" ");
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => name.to_owned(),
    }
}

/// The words in lower case with an underline between them: `userEmail` is `user_email`.
pub(super) fn in_snake_case(name: &str) -> String {
    split(name).join("_")
}

/// The words of a name in lower case: they end at what is no letter or digit, and before a capital after a small
/// letter.
fn split(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for character in name.chars() {
        let begins = character.is_uppercase() && after_small;
        if !character.is_alphanumeric() || begins {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_alphanumeric(), words.last_mut()) {
            word.extend(character.to_lowercase());
        }
        after_small = character.is_lowercase() || character.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

fn spelled(word: &str) -> String {
    const INITIALS: [&str; 8] = ["api", "csat", "id", "ip", "nps", "os", "ui", "url"];
    if INITIALS.contains(&word) {
        word.to_uppercase()
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words() {
        for (name, words, snake) in [
            (
                "feedback.status_changed",
                "Feedback status changed",
                "feedback_status_changed",
            ),
            ("ISSUE_CREATION", "Issue creation", "issue_creation"),
            ("nps.ask_later", "NPS ask later", "nps_ask_later"),
            ("userEmail", "User email", "user_email"),
            ("screenshotURL", "Screenshot URL", "screenshot_url"),
            ("Größe-2x", "Größe 2x", "größe_2x"),
            ("__", "__", ""),
            ("", "", ""),
        ] {
            assert_eq!(in_words(name), if words.is_empty() { name } else { words }, "{name}");
            assert_eq!(in_snake_case(name), snake, "{name}");
        }
    }
}
