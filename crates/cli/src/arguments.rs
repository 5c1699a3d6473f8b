//! Values that several commands take on the command line.

use std::io::Read as _;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;
use std::{fs, io};

use anyhow::Context as _;
use tidings_domain::Timestamp;

/// A point in time: a moment (`2026-01-07T15:30:00Z`) or so long ago (`1h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When(Timestamp);

/// The error for a text that is no point in time.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a time: write it like `2026-01-07T15:30:00Z`, or like `90s`, `1h` or `2d` for so long ago")]
pub(crate) struct ParseWhenError(String);

impl FromStr for When {
    type Err = ParseWhenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseWhenError(text.to_owned());
        if let Ok(at) = text.parse() {
            return Ok(Self(at));
        }
        let ago = humantime::parse_duration(text).map_err(|_| wrong())?;
        Timestamp::now().checked_sub(ago).map(Self).map_err(|_| wrong())
    }
}

impl When {
    /// Converts to a protobuf timestamp for requests.
    pub(crate) fn on_the_wire(self) -> prost_types::Timestamp {
        tidings_proto::timestamp(self.0)
    }
}

/// The time after a duration from now, as a protobuf timestamp.
pub(crate) fn from_now(length: Duration) -> anyhow::Result<prost_types::Timestamp> {
    let at = Timestamp::now()
        .checked_add(length)
        .map_err(|_| anyhow::anyhow!("{} is too long", humantime::format_duration(length)))?;
    Ok(tidings_proto::timestamp(at))
}

/// The secret in a file, or in standard input if the file is `-`. A final line end, which editors add, is removed with
/// a notice; other additions are rejected later by the service.
pub(crate) fn secret_in(path: &Path) -> anyhow::Result<String> {
    let is_stdin = path.as_os_str() == "-";
    let text = if is_stdin {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    let name = if is_stdin {
        "standard input".into()
    } else {
        path.display().to_string()
    };
    let text = text.with_context(|| format!("cannot read {name}"))?;
    let secret = text
        .strip_suffix('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    if secret.is_some() {
        eprintln!("tidings: the line end at the end of {name} is not part of the secret");
    }
    let secret = secret.unwrap_or(&text);
    anyhow::ensure!(!secret.is_empty(), "{name} is empty: put the secret in it");
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_moment_or_so_long_ago() {
        let moment: Timestamp = "2026-01-07T15:30:00Z".parse().unwrap();
        assert_eq!("2026-01-07T15:30:00Z".parse::<When>().unwrap(), When(moment));
        let When(at) = "1h".parse().unwrap();
        let ago = Timestamp::now().duration_since(at);
        assert!((3_600..3_660).contains(&ago.as_secs()), "{ago:?}");
    }

    #[test]
    fn what_is_no_time_says_what_one_looks_like() {
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "99999999y"] {
            let error = text.parse::<When>().unwrap_err().to_string();
            assert!(error.contains("`2026-01-07T15:30:00Z`"), "{error}");
        }
    }
}
