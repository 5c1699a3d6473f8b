//! Differences between two texts, line by line, and between two lists of headers.

use crate::shapes::Header;

/// The most lines of either text that are compared one with another; what is longer counts as replaced.
const MAX_LINES: usize = 1_500;
/// The unchanged lines that are shown around a change.
const AROUND: usize = 3;

/// A line of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Same,
    Removed,
    Added,
    /// Lines that are the same and left out.
    Gap,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

impl Line {
    fn new(kind: Kind, text: &str) -> Self {
        Self {
            kind,
            text: text.to_owned(),
        }
    }

    /// The mark before the line, so that colour is not the only sign.
    pub(crate) fn mark(&self) -> &'static str {
        match self.kind {
            Kind::Same => " ",
            Kind::Removed => "−",
            Kind::Added => "+",
            Kind::Gap => "…",
        }
    }

    /// The name of its look.
    pub(crate) fn look(&self) -> &'static str {
        match self.kind {
            Kind::Same => "same",
            Kind::Removed => "removed",
            Kind::Added => "added",
            Kind::Gap => "gap",
        }
    }
}

/// The lines of two texts with what was removed and added; nothing if they are the same.
pub(crate) fn lines(one: &str, other: &str) -> Vec<Line> {
    if one == other {
        return Vec::new();
    }
    let (one, other): (Vec<&str>, Vec<&str>) = (one.lines().collect(), other.lines().collect());
    let before = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (one_rest, other_rest) = (&one[before..], &other[before..]);
    let behind = one_rest.iter().rev().zip(other_rest.iter().rev());
    let behind = behind.take_while(|(a, b)| a == b).count();
    let (middle, other_middle) = (
        &one_rest[..one_rest.len() - behind],
        &other_rest[..other_rest.len() - behind],
    );
    let mut all: Vec<Line> = one[..before].iter().map(|text| Line::new(Kind::Same, text)).collect();
    all.extend(changed(middle, other_middle));
    let end = &one_rest[one_rest.len() - behind..];
    all.extend(end.iter().map(|text| Line::new(Kind::Same, text)));
    without_gaps(all)
}

/// By the longest common subsequence.
fn changed(one: &[&str], other: &[&str]) -> Vec<Line> {
    let removed = |lines: &[&str]| -> Vec<Line> { lines.iter().map(|text| Line::new(Kind::Removed, text)).collect() };
    let added = |lines: &[&str]| -> Vec<Line> { lines.iter().map(|text| Line::new(Kind::Added, text)).collect() };
    if one.len() > MAX_LINES || other.len() > MAX_LINES {
        return [removed(one), added(other)].concat();
    }
    let width = other.len() + 1;
    // How long the longest common subsequence of what follows is.
    let mut longest = vec![0_u16; (one.len() + 1) * width];
    for i in (0..one.len()).rev() {
        for j in (0..other.len()).rev() {
            longest[i * width + j] = match one[i] == other[j] {
                true => longest[(i + 1) * width + j + 1] + 1,
                false => longest[(i + 1) * width + j].max(longest[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < one.len() && j < other.len() {
        if one[i] == other[j] {
            lines.push(Line::new(Kind::Same, one[i]));
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            lines.push(Line::new(Kind::Removed, one[i]));
            i += 1;
        } else {
            lines.push(Line::new(Kind::Added, other[j]));
            j += 1;
        }
    }
    lines.extend(removed(&one[i..]));
    lines.extend(added(&other[j..]));
    lines
}

/// Long runs of what is the same are left out.
fn without_gaps(all: Vec<Line>) -> Vec<Line> {
    let is_near = |at: usize| {
        let near = &all[at.saturating_sub(AROUND)..all.len().min(at + AROUND + 1)];
        near.iter().any(|line| line.kind != Kind::Same)
    };
    let mut shown: Vec<Line> = Vec::new();
    for (at, line) in all.iter().enumerate() {
        if is_near(at) {
            shown.push(line.clone());
        } else if shown.last().is_none_or(|last| last.kind != Kind::Gap) {
            shown.push(Line::new(Kind::Gap, ""));
        }
    }
    shown
}

/// A header that is not the same in both lists; none where a list lacks it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HeaderChange<'a> {
    pub(crate) name: &'a str,
    pub(crate) one: Option<&'a str>,
    pub(crate) other: Option<&'a str>,
}

/// The headers that differ, in the order of the first list and then of the second.
pub(crate) fn headers<'a>(one: &'a [Header], other: &'a [Header]) -> Vec<HeaderChange<'a>> {
    let value = |list: &'a [Header], name: &str| {
        let found = list.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| header.value.as_str())
    };
    let added = other.iter().filter(|header| value(one, &header.name).is_none());
    let names = one.iter().chain(added).map(|header| header.name.as_str());
    let changes = names.map(|name| HeaderChange {
        name,
        one: value(one, name),
        other: value(other, name),
    });
    changes.filter(|change| change.one != change.other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(one: &str, other: &str) -> String {
        let lines = lines(one, other);
        let lines: Vec<_> = lines
            .iter()
            .map(|line| format!("{}{}", line.mark(), line.text))
            .collect();
        lines.join("\n")
    }

    #[test]
    fn lines_are_removed_and_added() {
        assert_eq!(shown("a\nb\nc", "a\nc\nd"), " a\n−b\n c\n+d");
        assert_eq!(shown("same", "same"), "");
        assert_eq!(shown("", "new"), "+new");
    }

    #[test]
    fn what_stays_the_same_for_long_is_left_out() {
        let one: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let mut other = one.clone();
        other[10] = "ten".into();
        let expected = "…\n 7\n 8\n 9\n−10\n+ten\n 11\n 12\n 13\n…";
        assert_eq!(shown(&one.join("\n"), &other.join("\n")), expected);
    }

    #[test]
    fn texts_of_any_length_end() {
        let one = "a\n".repeat(50_000);
        let other = "b\n".repeat(50_000);
        assert_eq!(lines(&one, &other).len(), 100_000);
    }

    #[test]
    fn headers_that_differ_are_named() {
        let header = |name: &str, value: &str| Header {
            name: name.into(),
            value: value.into(),
        };
        let one = [header("A", "1"), header("B", "2")];
        let other = [header("a", "1"), header("c", "3")];
        let found = headers(&one, &other);
        let change = |name, one, other| HeaderChange { name, one, other };
        assert_eq!(found, [change("B", Some("2"), None), change("c", None, Some("3"))]);
    }
}
