//! Safe output of others' texts on a terminal.
//!
//! A receiver's response, a header or a name can contain sequences that move the cursor, rewrite earlier lines, or type
//! for the user (CWE-150). Control sequences are printed as JSON escapes: `\u001b`.

use std::borrow::Cow;

/// A text that is to stay on one line.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// A text that may have lines and tabs.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, keeps: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_obeyed = |c: char| is_obeyed(c) && !keeps(c);
    if !text.contains(is_obeyed) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' if is_obeyed(c) => shown.push_str("\\n"),
            '\t' if is_obeyed(c) => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            c if is_obeyed(c) => shown.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => shown.push(c),
        }
    }
    shown.into()
}

/// Control characters, of eight bits too; what changes the direction of writing; line ends that only Unicode knows.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        let text = "a\u{1b}[2J\u{9b}31m\u{7f}\u{8}\r\n\tb\u{202e}c\0";
        assert_eq!(
            one_line(text),
            "a\\u001b[2J\\u009b31m\\u007f\\u0008\\r\\n\\tb\\u202ec\\u0000"
        );
        assert_eq!(
            lines(text),
            "a\\u001b[2J\\u009b31m\\u007f\\u0008\\r\n\tb\\u202ec\\u0000"
        );
        for plain in ["", "Grüße, 日本 😀 a\u{301}"] {
            assert!(matches!(one_line(plain), Cow::Borrowed(_)), "{plain}");
            assert_eq!(lines(plain), plain);
        }
    }
}
