//! Code that verifies, in receivers' own languages. Tests run what they have interpreters for.

use askama::Template;

use super::recipe::{Recipe, Signature, Token};

/// The code in one language.
pub(crate) struct Snippet {
    /// A word for links and ids: `node`.
    pub(crate) id: &'static str,
    pub(crate) language: &'static str,
    pub(crate) code: String,
}

/// The templates of one language.
macro_rules! language {
    ($module:ident, $hmac:tt, $ed25519:tt, $token:tt) => {
        mod $module {
            use super::{Signature, Template, Token};

            #[derive(Template)]
            #[template(path = $hmac)]
            pub(super) struct Hmac<'a> {
                pub(super) recipe: &'a Signature,
            }

            #[derive(Template)]
            #[template(path = $ed25519)]
            pub(super) struct Ed25519<'a> {
                pub(super) recipe: &'a Signature,
            }

            #[derive(Template)]
            #[template(path = $token)]
            pub(super) struct Secret<'a> {
                pub(super) recipe: &'a Token,
            }

            pub(super) fn code(recipe: &super::Recipe) -> String {
                let code = match recipe {
                    super::Recipe::Signature(recipe) if recipe.is_ed25519 => Ed25519 { recipe }.render(),
                    super::Recipe::Signature(recipe) => Hmac { recipe }.render(),
                    super::Recipe::Token(recipe) => Secret { recipe }.render(),
                    super::Recipe::Nothing | super::Recipe::Unknown => Ok(String::new()),
                };
                code.unwrap_or_default()
            }
        }
    };
}

language!(
    node,
    "verify/hmac.js.txt",
    "verify/ed25519.js.txt",
    "verify/token.js.txt"
);
language!(
    php,
    "verify/hmac.php.txt",
    "verify/ed25519.php.txt",
    "verify/token.php.txt"
);
language!(
    python,
    "verify/hmac.py.txt",
    "verify/ed25519.py.txt",
    "verify/token.py.txt"
);
language!(go, "verify/hmac.go.txt", "verify/ed25519.go.txt", "verify/token.go.txt");
language!(
    ruby,
    "verify/hmac.rb.txt",
    "verify/ed25519.rb.txt",
    "verify/token.rb.txt"
);
language!(
    java,
    "verify/hmac.java.txt",
    "verify/ed25519.java.txt",
    "verify/token.java.txt"
);
language!(
    csharp,
    "verify/hmac.cs.txt",
    "verify/ed25519.cs.txt",
    "verify/token.cs.txt"
);
language!(
    rust,
    "verify/hmac.rs.txt",
    "verify/ed25519.rs.txt",
    "verify/token.rs.txt"
);

/// The code for a recipe in every language; none where there is nothing to verify.
pub(crate) fn snippets(recipe: &Recipe) -> Vec<Snippet> {
    if matches!(recipe, Recipe::Nothing | Recipe::Unknown) {
        return Vec::new();
    }
    [
        ("node", "Node.js", node::code(recipe)),
        ("php", "PHP", php::code(recipe)),
        ("python", "Python", python::code(recipe)),
        ("go", "Go", go::code(recipe)),
        ("ruby", "Ruby", ruby::code(recipe)),
        ("java", "Java", java::code(recipe)),
        ("csharp", "C#", csharp::code(recipe)),
        ("rust", "Rust", rust::code(recipe)),
    ]
    .into_iter()
    .map(|(id, language, code)| Snippet { id, language, code })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::recipe::{Part, Piece};
    use super::*;

    fn standard(is_ed25519: bool) -> Recipe {
        let part = |name: &str, header: &str| {
            Piece::Header(Part {
                name: name.into(),
                header: header.into(),
            })
        };
        let dot = || Piece::Text(".".into());
        Recipe::Signature(Signature {
            header: "webhook-signature".into(),
            prefix: if is_ed25519 { "v1a," } else { "v1," }.into(),
            encoding: "base64".into(),
            is_decoded: true,
            is_ed25519,
            separator: Some(" ".into()),
            pieces: vec![
                part("id", "webhook-id"),
                dot(),
                part("timestamp", "webhook-timestamp"),
                dot(),
                Piece::Body,
            ],
        })
    }

    fn of_the_body() -> Recipe {
        Recipe::Signature(Signature {
            header: "x-userhero-signature".into(),
            prefix: "sha256=".into(),
            encoding: "hex".into(),
            is_decoded: false,
            is_ed25519: false,
            separator: None,
            pieces: vec![Piece::Body],
        })
    }

    fn token() -> Recipe {
        Recipe::Token(Token {
            header: "x-webhook-token".into(),
        })
    }

    #[test]
    fn every_language_names_the_headers_and_closes_what_it_opens() {
        for (recipe, words) in [
            (
                standard(false),
                &["webhook-signature", "webhook-id", "webhook-timestamp", "v1,"][..],
            ),
            (standard(true), &["webhook-signature", "v1a,", "whpk_"]),
            (of_the_body(), &["x-userhero-signature", "sha256="]),
            (token(), &["x-webhook-token"]),
        ] {
            let snippets = snippets(&recipe);
            assert_eq!(snippets.len(), 8);
            for Snippet { id, code, .. } in snippets {
                for word in words {
                    assert!(code.contains(word), "{id}: {word} is missing in\n{code}");
                }
                for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
                    assert_eq!(
                        code.matches(open).count(),
                        code.matches(close).count(),
                        "{id}: {open}\n{code}"
                    );
                }
                assert!(!code.contains("{%") && !code.contains("{{"), "{id}");
            }
        }
    }

    /// The files are compiled and run by the tests of the whole system.
    #[test]
    fn what_is_compiled_elsewhere_is_what_pages_show() {
        macro_rules! compiled {
            ($name:literal) => {
                include_str!(concat!("../../../acceptance/tests/console/verify/", $name, ".rs"))
            };
        }
        for (recipe, compiled) in [
            (standard(false), compiled!("standard")),
            (standard(true), compiled!("public_key")),
            (of_the_body(), compiled!("body")),
            (token(), compiled!("token")),
        ] {
            let shown = snippets(&recipe);
            let rust = shown.iter().find(|snippet| snippet.id == "rust").unwrap();
            let compiled = compiled.split_once('\n').map_or("", |(_, rest)| rest);
            assert_eq!(compiled.trim_end(), rust.code.trim_end());
        }
    }
}
