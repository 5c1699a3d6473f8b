//! Style and script, compiled in. Their names bear a hash of their content, so that browsers may keep them for ever. The style
//! of a link's accent is made when it is asked for, of the colour that its name bears, and kept for a day.

use std::borrow::Cow;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderName, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::Console;
use crate::compress::{brotli, takes_brotli};
use crate::theme::{Accent, Logo};

/// The style sheet, without a product's accent.
pub(crate) const STYLE: &str = include_str!("../assets/console.css");

/// Brotli's effort (0 to 11) and its window (as a power of two), for files that are compressed once at the start.
const QUALITY: u32 = 9;
const WINDOW: u32 = 20;

const CSS: &str = "text/css; charset=utf-8";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Time for which browsers keep an accent, whose lightness another version may choose otherwise.
const FOR_A_DAY: &str = "public, max-age=86400";

/// The files that pages refer to.
pub(crate) struct Assets {
    pub(crate) style: Asset,
    pub(crate) script: Asset,
    icon: Asset,
    pub(crate) logo: Option<Asset>,
}

/// One file.
pub(crate) struct Asset {
    /// Its name, with the hash.
    pub(crate) name: String,
    media_type: &'static str,
    plain: Cow<'static, [u8]>,
    compressed: Vec<u8>,
}

impl Assets {
    /// The files, with this style sheet and logo.
    pub(crate) fn new(style: Cow<'static, str>, logo: Option<Logo>) -> Self {
        let style = match style {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Self {
            style: Asset::new("console", "css", CSS, style),
            script: Asset::new(
                "console",
                "js",
                "text/javascript; charset=utf-8",
                Cow::Borrowed(include_bytes!("../assets/console.js")),
            ),
            icon: Asset::new(
                "icon",
                "svg",
                "image/svg+xml",
                Cow::Borrowed(include_bytes!("../assets/icon.svg")),
            ),
            logo: logo.map(|logo| Asset::new("logo", logo.extension, logo.media_type, logo.bytes.into())),
        }
    }

    pub(crate) fn icon(&self) -> &str {
        &self.icon.name
    }

    fn find(&self, name: &str) -> Option<&Asset> {
        [&self.style, &self.script, &self.icon]
            .into_iter()
            .chain(&self.logo)
            .find(|asset| asset.name == name)
    }
}

impl Asset {
    fn new(stem: &str, extension: &str, media_type: &'static str, plain: Cow<'static, [u8]>) -> Self {
        let hash = hex::encode(&Sha256::digest(&plain)[..6]);
        Self {
            name: format!("{stem}-{hash}.{extension}"),
            media_type,
            compressed: brotli(&plain, QUALITY, WINDOW),
            plain,
        }
    }
}

pub(crate) async fn serve(State(console): State<Console>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = console.assets.find(&name) else {
        return match accent_named(&name) {
            Some(accent) => (kept(CSS, FOR_A_DAY), accent.style()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        };
    };
    let kept = kept(asset.media_type, FOR_EVER);
    match takes_brotli(&headers) {
        true => (kept, [(CONTENT_ENCODING, "br")], asset.compressed.clone()).into_response(),
        false => (kept, asset.plain.clone()).into_response(),
    }
}

fn kept(media_type: &'static str, how_long: &'static str) -> [(HeaderName, &'static str); 4] {
    [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, how_long),
        (VARY, "accept-encoding"),
        // A picture that is opened by itself runs nothing, whoever drew it.
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        ),
    ]
}

/// The name of an accent's style sheet.
pub(crate) fn accent_name(accent: Accent) -> String {
    format!("accent-{}.css", accent.to_string().trim_start_matches('#'))
}

/// The accent whose style sheet has this name. Any process makes it, whoever made the link.
fn accent_named(name: &str) -> Option<Accent> {
    let digits = name.strip_prefix("accent-")?.strip_suffix(".css")?;
    Accent::read(&format!("#{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accent_is_known_by_its_name() {
        let accent = Accent::read("#FFe600").unwrap();
        assert_eq!(accent_name(accent), "accent-ffe600.css");
        assert_eq!(accent_named("accent-ffe600.css"), Some(accent));
        for wrong in ["accent-ffe600", "accent-.css", "accent-ffe600;}.css", "ffe600.css"] {
            assert_eq!(accent_named(wrong), None, "{wrong}");
        }
    }
}
