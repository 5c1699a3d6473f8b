//! All dialects of a process: built-in ones and those of the operator's directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use url::Url;

use crate::compile::compile;
use crate::dialect::Dialect;
use crate::error::DialectError;

/// The files of `dialects/` by name and content; `build.rs` writes the list.
const BUILTIN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// The dialects that endpoints can name; a clone shares them.
#[derive(Debug, Clone)]
pub struct Dialects(Arc<BTreeMap<String, Arc<Dialect>>>);

impl Dialects {
    /// The name of the dialect of an endpoint that names none.
    pub const DEFAULT: &str = "standard";

    /// The dialects that are compiled in.
    pub fn builtin() -> Result<Self, DialectError> {
        let mut dialects = BTreeMap::new();
        for (file, text) in BUILTIN {
            add(&mut dialects, compile(&format!("dialects/{file}"), text)?);
        }
        Ok(Self(Arc::new(dialects)))
    }

    /// The dialects that are compiled in and those of a directory's `.toml` files. One that bears the name of
    /// a compiled-in dialect replaces it. What else is in the directory is left alone.
    pub fn with_directory(dir: &Path) -> Result<Self, DialectError> {
        let mut dialects = BTreeMap::clone(&Self::builtin()?.0);
        for path in toml_files(dir).map_err(|source| DialectError::Read {
            path: dir.into(),
            source,
        })? {
            add(&mut dialects, Dialect::read(&path)?);
        }
        Ok(Self(Arc::new(dialects)))
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Dialect> {
        self.0.values().map(AsRef::as_ref)
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Dialect>> {
        self.0.get(name)
    }

    /// The dialect that wants this URL for itself, unless the endpoint names one: Slack's for `hooks.slack.com`. Where several
    /// do, it is the one whose pattern says most.
    #[must_use]
    pub fn chosen_for(&self, url: &Url) -> Option<&Arc<Dialect>> {
        let wanting = self
            .0
            .values()
            .filter_map(|dialect| Some((dialect.chosen_by(url)?, dialect)));
        wanting.max_by_key(|(weight, _)| *weight).map(|(_, dialect)| dialect)
    }

    /// Known reason why this dialect's requests are useless at this URL: it is a vendor's endpoint that no dialect
    /// serves. A dialect that lists the URL in `chosen_for` is exempt.
    #[must_use]
    pub fn refusal(&self, url: &Url, dialect: &str) -> Option<&str> {
        let refusals = self.0.values().filter_map(|dialect| dialect.refusal_of(url));
        let (weight, reason) = refusals.max_by_key(|(weight, _)| *weight)?;
        let written_for_it = self.get(dialect).and_then(|dialect| dialect.chosen_by(url));
        written_for_it.is_none_or(|chosen| chosen < weight).then_some(reason)
    }

    /// All names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Dialect {
    /// Loads a single dialect file, for checking it.
    pub fn read(path: &Path) -> Result<Self, DialectError> {
        let text = fs::read_to_string(path).map_err(|source| DialectError::Read {
            path: path.into(),
            source,
        })?;
        compile(&path.display().to_string(), &text)
    }
}

fn add(dialects: &mut BTreeMap<String, Arc<Dialect>>, dialect: Dialect) {
    dialects.insert(dialect.name().to_owned(), Arc::new(dialect));
}

fn toml_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(dir)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    // Which file an error names, and which of two replaces the other, must not depend on the file system.
    paths.sort();
    Ok(paths)
}
