//! The look of the product around the console: its accent colour and its logo.
//!
//! Need: people are led here from a product and should not feel sent away; but a brand's yellow on white can't be read.
//! Mechanism: the accent's lightness (OKLCH) is moved until text in it has a contrast of 4.5 : 1 (WCAG 2.2, 1.4.3) on every
//! background that it stands on, for the light and the dark scheme each. With forced colours browsers take the user's own.
//! The logo is read at the start, so that nothing is fetched from elsewhere.

mod colour;

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use self::colour::Colour;

/// The largest logo, bytes: it is loaded with the first page of everybody.
const MAX_LOGO: u64 = 64 * 1024;

/// The least contrast of text (WCAG 2.2, 1.4.3).
const CONTRAST: f64 = 4.5;
/// The backgrounds of `console.css` that accents stand on, and the inks on accents, of the light and the dark scheme.
const LIGHT: Scheme = Scheme {
    backgrounds: [Colour::new(0xff, 0xff, 0xff), Colour::new(0xf6, 0xf7, 0xfa)],
    on_accent: Colour::new(0xff, 0xff, 0xff),
};
const DARK: Scheme = Scheme {
    backgrounds: [Colour::new(0x14, 0x17, 0x1d), Colour::new(0x1d, 0x22, 0x2b)],
    on_accent: Colour::new(0x0d, 0x17, 0x30),
};

struct Scheme {
    backgrounds: [Colour; 2],
    on_accent: Colour,
}

/// The reason why the configured look is impossible.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    #[error("`console.accent` is \"{0}\": write it like \"#2456c7\"")]
    Accent(String),
    #[error("`console.logo`: {} can't be read: {error}", path.display())]
    Unread { path: PathBuf, error: std::io::Error },
    #[error("`console.logo`: {} has {bytes} bytes, and may have {MAX_LOGO}: every visitor loads it", path.display())]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("`console.logo`: {} is none of SVG, PNG, JPEG and WebP, whatever its name says", path.display())]
    NoPicture { path: PathBuf },
}

/// A product's colour, which is legible wherever it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accent(Colour);

/// A picture that was read.
pub(crate) struct Logo {
    pub(crate) bytes: Vec<u8>,
    pub(crate) media_type: &'static str,
    /// The extension of the file's name.
    pub(crate) extension: &'static str,
}

/// The style with the accent, of which the style sheet has its own where none is chosen.
pub(crate) fn style(plain: &'static str, accent: Option<&str>) -> Result<Cow<'static, str>, ThemeError> {
    let Some(text) = accent else {
        return Ok(plain.into());
    };
    let accent = Accent::read(text).ok_or_else(|| ThemeError::Accent(text.to_owned()))?;
    Ok(format!("{plain}{}", accent.style()).into())
}

impl Accent {
    /// Reads `#rrggbb`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        Colour::read(text).map(Self)
    }

    /// The rules that replace the style sheet's own accent, in the light and in the dark scheme.
    pub(crate) fn style(self) -> String {
        let (light, dark) = (LIGHT.legible(self.0), DARK.legible(self.0));
        format!(
            ":root {{ --accent: {light}; --on-accent: {}; }}\n@media (prefers-color-scheme: dark) {{ :root {{ --accent: {dark}; \
             --on-accent: {}; }} }}\n",
            LIGHT.on_accent, DARK.on_accent,
        )
    }
}

impl fmt::Display for Accent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Reads the logo and looks at what it is.
pub(crate) fn logo(path: &Path) -> Result<Logo, ThemeError> {
    let unread = |error| ThemeError::Unread {
        path: path.to_owned(),
        error,
    };
    let bytes = std::fs::metadata(path).map_err(unread)?.len();
    if bytes > MAX_LOGO {
        let path = path.to_owned();
        return Err(ThemeError::TooLarge { path, bytes });
    }
    let bytes = std::fs::read(path).map_err(unread)?;
    let (media_type, extension) = kind(&bytes).ok_or_else(|| ThemeError::NoPicture { path: path.to_owned() })?;
    Ok(Logo {
        bytes,
        media_type,
        extension,
    })
}

/// The media type of a picture and how names of such files end, by how it begins.
fn kind(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim_start();
    let is_xml = text.starts_with("<svg") || text.starts_with("<?xml") || text.starts_with("<!--");
    match bytes {
        _ if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => Some(("image/png", "png")),
        _ if bytes.starts_with(b"\xff\xd8\xff") => Some(("image/jpeg", "jpg")),
        _ if is_webp => Some(("image/webp", "webp")),
        _ if is_xml && text.contains("<svg") => Some(("image/svg+xml", "svg")),
        _ => None,
    }
}

impl Scheme {
    /// The colour itself if it is legible, otherwise the nearest lightness of it that is.
    fn legible(&self, accent: Colour) -> Colour {
        let is_legible = |colour: &Colour| {
            let on_it = std::iter::once(self.on_accent).chain(self.backgrounds);
            on_it.into_iter().all(|other| colour.contrast(other) >= CONTRAST)
        };
        accent.lightnesses().find(is_legible).unwrap_or(accent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accent_is_legible_in_both_schemes() {
        for text in [
            "#ffe600", "#000000", "#ffffff", "#2456c7", "#ff0000", "#00ff88", "#777777", "#c800ff",
        ] {
            let accent = Colour::read(text).unwrap();
            for scheme in [LIGHT, DARK] {
                let shown = scheme.legible(accent);
                for other in scheme.backgrounds.into_iter().chain([scheme.on_accent]) {
                    assert!(shown.contrast(other) >= CONTRAST, "{text}: {shown} on {other}");
                }
            }
        }
        let blue = Colour::read("#2456c7").unwrap();
        assert_eq!(LIGHT.legible(blue), blue, "what can be read stays as it is");
    }

    #[test]
    fn the_style_ends_with_the_accent() {
        assert_eq!(style("a {}\n", None).unwrap(), "a {}\n");
        let styled = style("a {}\n", Some("#2456c7")).unwrap();
        assert!(
            styled.starts_with("a {}\n:root { --accent: #2456c7; --on-accent: #ffffff; }"),
            "{styled}"
        );
        for wrong in ["blue", "#12", "2456c7", "#2456c7;}", "#gggggg", ""] {
            let refused = style("", Some(wrong)).unwrap_err().to_string();
            assert!(refused.contains("write it like \"#2456c7\""), "{refused}");
        }
    }

    #[test]
    fn a_logo_is_a_picture_whatever_it_is_called() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            logo(&path)
        };
        let svg = write("logo.png", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>").unwrap();
        assert_eq!((svg.media_type, svg.extension), ("image/svg+xml", "svg"));
        let png = write("logo.svg", b"\x89PNG\r\n\x1a\nrest").unwrap();
        assert_eq!(png.media_type, "image/png");
        let refusal = |made: Result<Logo, ThemeError>| made.err().unwrap().to_string();
        assert!(refusal(write("logo.svg", b"<html><script>alert(1)</script></html>")).contains("none of SVG, PNG"));
        assert!(refusal(write("logo.png", &vec![0; 70_000])).contains("has 70000 bytes, and may have 65536"));
        assert!(refusal(logo(&directory.path().join("gone"))).contains("can't be read"));
    }
}
