//! Reading one dialect file by itself.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use tidings_dialect::{Dialect, DialectError, Dialects};

/// The dialect of this file. What is wrong names the file as it was given here.
pub(super) fn file(path: &Path) -> Result<Arc<Dialect>, DialectError> {
    let unreadable = |source| DialectError::Read {
        path: path.to_owned(),
        source,
    };
    let name = path.file_stem().unwrap_or_default();
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Err(unreadable(io::Error::other("a dialect's file is called NAME.toml")));
    }
    // Dialects are loaded by the directory; in one of its own the others around this file don't matter.
    let alone = tempfile::tempdir().map_err(unreadable)?;
    let copy = alone.path().join(name).with_extension("toml");
    fs::copy(path, &copy).map_err(unreadable)?;
    let dialects = Dialects::with_directory(alone.path()).map_err(|error| match error {
        DialectError::Invalid {
            line, column, problem, ..
        } => DialectError::Invalid {
            file: path.display().to_string(),
            line,
            column,
            problem,
        },
        DialectError::Read { source, .. } => unreadable(source),
    })?;
    let found = name.to_str().and_then(|name| dialects.get(name)).map(Arc::clone);
    found.ok_or_else(|| unreadable(io::Error::other("its name is no name of a dialect")))
}
