//! Findings of the doctor, printed one by one.

use serde::Serialize;

use tidings_cli::output::{self, Format};

/// The state of a checked thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Ok,
    /// It works, and will not always, or less well than it should.
    Warn,
    /// It does not work, or loses what was promised.
    Fail,
}

#[derive(Serialize)]
struct Finding<'a> {
    check: &'a str,
    state: State,
    says: &'a str,
    /// Advice for mending it.
    #[serde(skip_serializing_if = "str::is_empty")]
    cure: &'a str,
}

/// Prints findings and counts the errors.
pub(super) struct Findings {
    format: Format,
    wrong: u32,
}

impl Findings {
    pub(super) fn new(format: Format) -> Self {
        Self { format, wrong: 0 }
    }

    pub(super) fn ok(&mut self, check: &str, says: impl AsRef<str>) -> anyhow::Result<()> {
        self.tell(State::Ok, check, says.as_ref(), "")
    }

    pub(super) fn warn(&mut self, check: &str, says: impl AsRef<str>, cure: &str) -> anyhow::Result<()> {
        self.tell(State::Warn, check, says.as_ref(), cure)
    }

    pub(super) fn fail(&mut self, check: &str, says: impl AsRef<str>, cure: &str) -> anyhow::Result<()> {
        self.tell(State::Fail, check, says.as_ref(), cure)
    }

    fn tell(&mut self, state: State, check: &str, says: &str, cure: &str) -> anyhow::Result<()> {
        self.wrong += u32::from(state == State::Fail);
        let finding = Finding {
            check,
            state,
            says,
            cure,
        };
        if self.format == Format::Json {
            return output::json(&finding);
        }
        let mark = match state {
            State::Ok => "ok  ",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        output::line(&format!("{mark}  {check}: {says}"))?;
        if cure.is_empty() {
            return Ok(());
        }
        output::line(&format!("      → {cure}"))
    }

    /// An error if something is wrong.
    pub(super) fn end(self) -> anyhow::Result<()> {
        anyhow::ensure!(self.wrong == 0, "failed checks: {}", self.wrong);
        Ok(())
    }
}
