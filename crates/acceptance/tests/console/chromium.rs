//! Chromium as people use it: with a mouse or the keyboard alone, with scripts or without. It reaches nothing but this
//! machine, and everything that it asks for elsewhere or that a page's policy refuses is noticed.

use serde_json::{Value, json};
use thirtyfour::prelude::*;
use tidings_acceptance::{SOON, Standalone};
use tidings_testkit::chromium::Driver;
use tidings_testkit::{languages, wait_until};
use tokio::task::spawn_blocking;

/// A way of working with the browser.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    Mouse,
    Keyboard,
}

/// A screen and the preferences of whoever looks at it.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) language: &'static str,
    pub(crate) scripts: bool,
    /// Pixels.
    pub(crate) width: u32,
    /// `light` or `dark`.
    pub(crate) scheme: &'static str,
    pub(crate) forced_colours: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            language: "en",
            scripts: true,
            width: 1280,
            scheme: "light",
            forced_colours: false,
        }
    }
}

/// A browser with one window.
pub(crate) struct Chromium {
    pub(crate) web: WebDriver,
    base: String,
    hand: Hand,
    look: Look,
    _driver: Driver,
}

impl Chromium {
    pub(crate) async fn start(system: &Standalone, hand: Hand, look: Look) -> Self {
        // Of two tests one is first; the client wants it although it speaks to this machine alone.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let driver = spawn_blocking(Driver::start).await.unwrap();
        let mut wanted = DesiredCapabilities::chrome();
        let language = format!("--lang={}", look.language);
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
            // Names resolve to nothing, so that a request to elsewhere fails as well as being seen.
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
            language.as_str(),
        ] {
            wanted.add_arg(argument).unwrap();
        }
        let scripts = if look.scripts { 1 } else { 2 };
        let preferences = json!({
            "intl.accept_languages": look.language,
            "profile.managed_default_content_settings.javascript": scripts,
        });
        wanted.add_experimental_option("prefs", preferences).unwrap();
        let logs = json!({ "browser": "ALL", "performance": "ALL" });
        wanted.set("goog:loggingPrefs", logs).unwrap();
        let web = WebDriver::new(driver.url(), wanted).await.unwrap();
        let chromium = Self {
            web,
            base: system.servers.http.clone(),
            hand,
            look,
            _driver: driver,
        };
        chromium.emulate().await;
        chromium
    }

    async fn emulate(&self) {
        let cdp = self.web.cdp();
        let size =
            json!({ "width": self.look.width, "height": 900, "deviceScaleFactor": 1, "mobile": self.look.width < 500 });
        cdp.send_raw("Emulation.setDeviceMetricsOverride", size).await.unwrap();
        let forced = if self.look.forced_colours { "active" } else { "none" };
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": self.look.scheme },
            { "name": "forced-colors", "value": forced },
        ] });
        cdp.send_raw("Emulation.setEmulatedMedia", features).await.unwrap();
    }

    /// Opens a page by its path, or a whole link.
    pub(crate) async fn open(&self, path: &str) {
        let url = if path.starts_with('/') {
            format!("{}{path}", self.base)
        } else {
            path.to_owned()
        };
        self.web.goto(url).await.unwrap();
    }

    /// The path with query and fragment where the window is.
    pub(crate) async fn path(&self) -> String {
        let url = self.web.current_url().await.unwrap().to_string();
        url.strip_prefix(&self.base).unwrap_or(&url).to_owned()
    }

    /// Waits until the window is somewhere.
    pub(crate) async fn arrives(&self, part: &str) {
        let deadline = format!("the browser to be at {part}");
        wait_until(SOON, &deadline, async || self.path().await.contains(part)).await;
    }

    /// Waits until the page shows a text.
    pub(crate) async fn shows(&self, text: &str) {
        let deadline = format!("the page to show {text}");
        wait_until(SOON, &deadline, async || {
            // Between two pages there is none.
            let main = self.web.find(By::Css("main")).await;
            match main {
                Ok(main) => main.text().await.is_ok_and(|shown| shown.contains(text)),
                Err(_) => false,
            }
        })
        .await;
    }

    /// Presses a button, follows a link, ticks a box.
    pub(crate) async fn press(&self, selector: &str) {
        let element = self.web.find(By::Css(selector)).await.unwrap();
        match self.hand {
            Hand::Mouse => element.click().await.unwrap(),
            Hand::Keyboard => {
                self.tab_to(selector).await;
                let is_box = element
                    .attr("type")
                    .await
                    .unwrap()
                    .is_some_and(|kind| kind == "checkbox");
                self.keys(if is_box { Key::Space } else { Key::Enter }).await;
            }
        }
    }

    /// Signs in at the page that asks for a key, and waits until the session is there.
    pub(crate) async fn signs_in(&self, key: &str) {
        self.write("#key", key).await;
        self.press("#sign-in button").await;
        wait_until(SOON, "the session to begin", async || {
            self.web.find(By::Css("form[action$=\"/sign-out\"]")).await.is_ok()
        })
        .await;
    }

    /// Replaces what a field has.
    pub(crate) async fn write(&self, selector: &str, text: &str) {
        match self.hand {
            Hand::Mouse => {
                let element = self.web.find(By::Css(selector)).await.unwrap();
                element.clear().await.unwrap();
                element.send_keys(text).await.unwrap();
            }
            Hand::Keyboard => {
                self.tab_to(selector).await;
                let chain = self
                    .web
                    .action_chain()
                    .key_down(Key::Control)
                    .send_keys("a")
                    .key_up(Key::Control);
                chain.send_keys(text).perform().await.unwrap();
            }
        }
    }

    /// Chooses of a list by the beginning of a choice.
    pub(crate) async fn choose(&self, selector: &str, text: &str) {
        match self.hand {
            Hand::Mouse => {
                let option = format!("{selector} option[value=\"{text}\"]");
                self.web.find(By::Css(option)).await.unwrap().click().await.unwrap();
            }
            Hand::Keyboard => {
                self.tab_to(selector).await;
                self.keys(text).await;
            }
        }
    }

    async fn keys(&self, keys: impl Into<TypingData>) {
        self.web.action_chain().send_keys(keys).perform().await.unwrap();
    }

    /// Goes on with the tabulator until the element has the focus, which must be seen then.
    async fn tab_to(&self, selector: &str) {
        const MOST: usize = 150;
        let look = "const at = document.activeElement; if (!at.matches(arguments[0])) return null; \
                    const style = getComputedStyle(at); return style.outlineStyle !== 'none' || style.borderStyle !== 'none';";
        for _ in 0..MOST {
            let found = self.web.execute(look, [json!(selector)]).await.unwrap().json().clone();
            if !found.is_null() {
                assert_eq!(found, true, "{selector} does not show that it has the focus");
                return;
            }
            self.keys(Key::Tab).await;
        }
        panic!("{selector} is not reached with the tabulator on {}", self.path().await);
    }

    /// Opens what is folded away.
    pub(crate) async fn unfold(&self) {
        let unfold = "for (const details of document.querySelectorAll('details')) details.open = true;";
        self.web.execute(unfold, []).await.unwrap();
    }

    /// What holds of every page: nothing refused by its policy, no script failed, nothing asked for elsewhere, and it fits.
    pub(crate) async fn is_sound(&self) {
        let path = self.path().await;
        for entry in self.web.get_log("browser").await.unwrap() {
            // A transition from one page to the next that is cut short is no failure of a script.
            let failed = entry.source.as_deref() == Some("javascript") && !entry.message.contains("Transition was");
            assert!(
                !failed && !entry.message.contains("Content Security Policy"),
                "{path}: {}",
                entry.message
            );
        }
        for entry in self.web.get_log("performance").await.unwrap() {
            let told: Value = serde_json::from_str(&entry.message).unwrap();
            let told = &told["message"];
            if told["method"] == "Network.requestWillBeSent" {
                let url = told["params"]["request"]["url"].as_str().unwrap_or_default();
                let is_here = url.starts_with(&self.base) || url.starts_with("data:") || url.starts_with("chrome");
                assert!(is_here, "{path} asks for {url}");
            }
        }
        let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth;";
        let overflow = self.web.execute(overflow, []).await.unwrap().convert::<i64>().unwrap();
        assert!(
            overflow <= 0,
            "{path} is {overflow} pixels wider than the window of {}",
            self.look.width
        );
    }

    /// What axe finds on this page of what WCAG 2.2 AA and good practice ask for.
    pub(crate) async fn is_accessible(&self) {
        let path = self.path().await;
        let axe = spawn_blocking(|| std::fs::read_to_string(languages::node_file("axe-core/axe.min.js")));
        self.web.execute(axe.await.unwrap().unwrap(), []).await.unwrap();
        let run = "const done = arguments[arguments.length - 1]; \
                   axe.run(document, { resultTypes: ['violations'] }).then((result) => done(result.violations.map((violation) => \
                   violation.id + ': ' + violation.help + '\\n' + violation.nodes.map((node) => node.html + '\\n' + \
                   node.failureSummary).join('\\n'))));";
        let found: Vec<String> = self.web.execute_async(run, []).await.unwrap().convert().unwrap();
        assert!(found.is_empty(), "{path} ({}): {}", self.look.scheme, found.join("\n"));
    }

    /// Keeps a picture of the whole page in the directory that `TIDINGS_SCREENSHOTS` names, if it names one.
    pub(crate) async fn picture(&self, name: &str) {
        let Some(directory) = std::env::var_os("TIDINGS_SCREENSHOTS") else {
            return;
        };
        let file = std::path::PathBuf::from(directory).join(format!("{name}.png"));
        std::fs::write(file, self.web.screenshot_as_png().await.unwrap()).unwrap();
    }

    pub(crate) async fn quit(self) {
        self.web.quit().await.unwrap();
    }
}
