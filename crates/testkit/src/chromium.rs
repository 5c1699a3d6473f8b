//! Chromium's driver, which speaks WebDriver (W3C) on a port of its own.
//!
//! `scripts/browser` installs what is missing of browser and driver; it is called once in each process, and returns at once
//! when both are there.

use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread;

/// A running driver; it ends with its browsers when it is dropped.
#[derive(Debug)]
pub struct Driver {
    process: Child,
    url: String,
}

impl Driver {
    /// Starts a driver. Blocks until it listens, and while browser and driver are installed.
    ///
    /// # Panics
    ///
    /// When they can be neither found nor installed.
    pub fn start() -> Self {
        LazyLock::force(&INSTALLED);
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start chromedriver: {error}"));
        let stdout = process.stdout.take().unwrap_or_else(|| unreachable!("it is piped"));
        let mut lines = BufReader::new(stdout);
        let port = port(&mut lines);
        // It stops when nobody reads what it prints.
        thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The port of `ChromeDriver was started successfully on port 40000.`
fn port(lines: &mut impl BufRead) -> u16 {
    let mut said = String::new();
    loop {
        let mut line = String::new();
        let read = lines.read_line(&mut line).unwrap_or_default();
        assert!(read > 0, "chromedriver has ended: {said}");
        let port = line
            .trim_end()
            .trim_end_matches('.')
            .rsplit_once("successfully on port ");
        if let Some(port) = port.and_then(|(_, port)| port.parse().ok()) {
            return port;
        }
        said.push_str(&line);
    }
}

static INSTALLED: LazyLock<()> = LazyLock::new(|| {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/browser");
    let output = Command::new(&script)
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", script.display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`scripts/browser` failed:\n{said}");
});
