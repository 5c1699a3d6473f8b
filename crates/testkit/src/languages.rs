//! The languages that customers write receivers in: Node.js, PHP and Python with the libraries customers verify with.
//!
//! `scripts/receivers` installs what is missing of them; it is called once in each process, and returns at once when
//! all is there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// A command that runs a program in the language that its name ends with (`.js`, `.php`, `.py`). Blocks while
/// languages are installed.
///
/// # Panics
///
/// When a language can be neither found nor installed.
pub fn command(program: &Path) -> Command {
    let installed = INSTALLED.as_path();
    let mut command = match program.extension().and_then(OsStr::to_str) {
        Some("js") => Command::new("node"),
        Some("php") => Command::new("php"),
        Some("py") => Command::new(installed.join("venv/bin/python")),
        _ => panic!("no language is known for {}", program.display()),
    };
    command
        .arg(program)
        .env("NODE_ENV", "test") // Express then prints no error that it answers
        .env("NODE_PATH", installed.join("node_modules"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Node.js without any library, as it is on this machine, or else as it is installed here.
///
/// # Panics
///
/// When it can be neither found nor installed.
pub fn node() -> Command {
    let there = Command::new("node").arg("--version").output();
    if !there.is_ok_and(|version| version.status.success()) {
        LazyLock::force(&INSTALLED);
    }
    Command::new("node")
}

/// A file of a library for Node.js. Blocks while languages are installed.
///
/// # Panics
///
/// When languages can be neither found nor installed.
pub fn node_file(path: &str) -> PathBuf {
    INSTALLED.join("node_modules").join(path)
}

/// The directory of the installed libraries.
static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let script = checkout.join("scripts/receivers");
    let output = Command::new(&script)
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", script.display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`scripts/receivers` failed:\n{said}");
    checkout.join("target/receivers")
});
