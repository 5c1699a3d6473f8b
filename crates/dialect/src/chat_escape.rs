//! Template filters that escape a text for a chat service and limit its length.
//!
//! Lengths count UTF-16 code units: services count characters, some of them in this way, and no other way gives a
//! higher count. A text that is too long ends in an ellipsis and is never cut within an escape.

use std::borrow::Cow;

use minijinja::Environment;

/// Adds `truncate`, `slack`, `discord` and `discord_markdown`, each with the greatest length as its argument.
pub(crate) fn add_filters(environment: &mut Environment<'_>) {
    environment.add_filter("truncate", |text: Cow<'_, str>, limit: usize| truncate(&text, limit));
    environment.add_filter("slack", |text: Cow<'_, str>, limit: usize| slack(&text, limit));
    environment.add_filter("discord", |text: Cow<'_, str>, limit: usize| discord(&text, limit));
    environment.add_filter("discord_markdown", |text: Cow<'_, str>, limit: usize| {
        discord_markdown(&text, limit)
    });
}

/// The text, cut to the length.
fn truncate(text: &str, limit: usize) -> String {
    fit(text, limit, |_, _, out, character| out.push(character))
}

/// The text with Slack's three control characters escaped: without them there is no mention, no channel and no link
/// (Slack, "Formatting text for app surfaces", Escaping text).
fn slack(text: &str, limit: usize) -> String {
    fit(text, limit, |_, _, out, character| match character {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        _ => out.push(character),
    })
}

/// The text for a place where Discord reads no Markdown, with mentions broken by a space of no width.
fn discord(text: &str, limit: usize) -> String {
    fit(text, limit, |_, after, out, character| {
        out.push(character);
        if begins_mention(character, after) {
            out.push(NO_WIDTH);
        }
    })
}

/// The text for a place where Discord reads Markdown: mentions broken, and what would be formatting escaped, so that
/// it looks as it was written. In URLs nothing is escaped, because Discord would take the backslash as a part of them.
fn discord_markdown(text: &str, limit: usize) -> String {
    let mut in_url = false;
    fit(text, limit, move |before, after, out, character| {
        if character == 'h' && (after.starts_with("ttp://") || after.starts_with("ttps://")) {
            in_url = true;
        } else if character.is_whitespace() || "<>\"[]()|`\\".contains(character) {
            in_url = false;
        }
        let starts_line = before.is_empty() || before.ends_with('\n');
        let formats = match character {
            '\\' | '`' | '|' | '[' | ']' => true,
            '*' | '_' | '~' => !in_url,
            '#' | '-' | '>' => starts_line,
            _ => false,
        };
        if formats {
            out.push('\\');
        }
        out.push(character);
        if begins_mention(character, after) {
            out.push(NO_WIDTH);
        }
    })
}

const NO_WIDTH: char = '\u{200b}';
const ELLIPSIS: char = '…';

/// Recognises the start of a Discord mention: `@everyone`, `<@1>`, `<#1>`, `</a:1>`, `<:a:1>`, `<t:1>`, `<id:guide>`.
fn begins_mention(character: char, after: &str) -> bool {
    let begins_with = |word: &str| after.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word));
    match character {
        '@' => begins_with("everyone") || begins_with("here"),
        '<' => after.starts_with(|next: char| next.is_ascii_alphabetic() || "@#:/".contains(next)),
        _ => false,
    }
}

/// Writes a text character by character until the limit is reached. `write` gets what stands before and after the
/// character in the text, and appends what belongs together; that is never cut apart.
fn fit(text: &str, limit: usize, mut write: impl FnMut(&str, &str, &mut String, char)) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    let mut units = 0;
    // How much of what is written leaves room for an ellipsis.
    let mut room = 0;
    for (at, character) in text.char_indices() {
        let start = out.len();
        let (before, rest) = text.split_at(at);
        write(before, &rest[character.len_utf8()..], &mut out, character);
        units += out[start..].chars().map(char::len_utf16).sum::<usize>();
        if units > limit {
            out.truncate(room);
            if limit > 0 {
                out.push(ELLIPSIS);
            }
            break;
        }
        if units < limit {
            room = out.len();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_utf_16_units_and_never_in_a_character() {
        assert_eq!(truncate("abc", 3), "abc");
        assert_eq!(truncate("abcd", 3), "ab…");
        assert_eq!(truncate("😀😀", 4), "😀😀");
        assert_eq!(truncate("😀😀a", 4), "😀…");
        assert_eq!(truncate("😀", 1), "…");
        assert_eq!(truncate("a", 0), "");
        assert_eq!(truncate("", 0), "");
    }

    #[test]
    fn slack_gets_no_control_characters_and_no_half_escapes() {
        assert_eq!(slack("<!channel> & <@U1>", 100), "&lt;!channel&gt; &amp; &lt;@U1&gt;");
        assert_eq!(slack("a<<", 6), "a&lt;…");
        assert_eq!(slack("a<<", 5), "a…");
        assert_eq!(slack("a<<", 9), "a&lt;&lt;");
    }

    #[test]
    fn discord_mentions_are_broken() {
        for (text, expected) in [
            ("@everyone", "@\u{200b}everyone"),
            ("hi @HERE", "hi @\u{200b}HERE"),
            ("<@123> <@!1> <@&1>", "<\u{200b}@123> <\u{200b}@!1> <\u{200b}@&1>"),
            ("<#1> <t:1:R> </x:1>", "<\u{200b}#1> <\u{200b}t:1:R> <\u{200b}/x:1>"),
            ("jane@example.com 1 < 2", "jane@example.com 1 < 2"),
        ] {
            assert_eq!(discord(text, 100), expected);
            assert_eq!(discord_markdown(text, 100), expected);
        }
    }

    #[test]
    fn discord_markdown_is_read_as_it_was_written() {
        for (text, expected) in [
            (
                "*a* __b__ ~~c~~ ||d|| `e`",
                r"\*a\* \_\_b\_\_ \~\~c\~\~ \|\|d\|\| \`e\`",
            ),
            ("[click](https://a.example)", r"\[click\](https://a.example)"),
            (
                "see https://a.example/b_c_d, _x_",
                r"see https://a.example/b_c_d, \_x\_",
            ),
            ("> q\n# h\n- l\na - b # c > d", "\\> q\n\\# h\n\\- l\na - b # c > d"),
            (r"\*", r"\\\*"),
        ] {
            assert_eq!(discord_markdown(text, 100), expected);
        }
        assert_eq!(discord_markdown("a**", 4), r"a\*…");
        assert_eq!(discord_markdown("a**", 3), r"a…");
    }
}
