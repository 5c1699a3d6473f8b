//! Complexity of a schema: the number of its parts, with every reference followed.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::{Schema, SchemaError};

/// Maximum depth of a schema, with references followed.
const MAX_DEPTH: usize = 64;

const DRAFTS: [&str; 3] = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
];

/// Keywords whose members are schemas under names that anyone may choose.
const NAMED: [&str; 3] = ["properties", "dependentSchemas", "dependencies"];
/// Keywords that hold schemas for others to refer to, which do nothing where they stand.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];
/// Keywords that hold values, not schemas.
const VALUES: [&str; 2] = ["default", "examples"];
/// Cost of a regular expression, in parts of a schema.
const PATTERN: usize = 20;
/// Keywords whose effect is not where they stand.
const DYNAMIC: [&str; 5] = [
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
];

/// Counts the parts of a schema, or says why it is refused.
pub(super) fn measure(root: &Json) -> Result<usize, SchemaError> {
    if let Some(draft) = root.get("$schema") {
        let known = draft
            .as_str()
            .is_some_and(|draft| DRAFTS.contains(&draft.trim_end_matches('#')));
        if !known {
            let message = format!("write one of {} or leave it out", DRAFTS.join(", "));
            return Err(refused("/$schema", message));
        }
    }
    let mut scales = Scales {
        root,
        referred: HashMap::new(),
    };
    scales.schema(root, &mut Path::default(), 0)
}

struct Scales<'a> {
    root: &'a Json,
    /// Complexity by reference; `None` while it is being measured, which reveals a cycle.
    referred: HashMap<&'a str, Option<usize>>,
}

/// Position in the schema, for error messages.
#[derive(Default)]
struct Path(Vec<String>);

type Measured = Result<usize, SchemaError>;

impl<'a> Scales<'a> {
    fn schema(&mut self, schema: &'a Json, path: &mut Path, depth: usize) -> Measured {
        if depth > MAX_DEPTH {
            let message = format!("this goes more than {MAX_DEPTH} deep, references followed: make it simpler");
            return Err(refused(&path.to_string(), message));
        }
        let mut complexity = 1;
        match schema {
            Json::Object(members) => {
                for (name, value) in members {
                    path.0.push(name.clone());
                    complexity += self.keyword(name, value, path, depth + 1)?;
                    path.0.pop();
                }
                // What is "unevaluated" is found by evaluating everything beside it a second time.
                if members.keys().any(|name| name.starts_with("unevaluated")) {
                    complexity *= 2;
                }
            }
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.0.push(index.to_string());
                    complexity += self.schema(item, path, depth + 1)?;
                    path.0.pop();
                }
            }
            _ => {}
        }
        if complexity > Schema::MAX_COMPLEXITY {
            let message = format!(
                "this schema has more than {} parts when every $ref is replaced by what it refers to: make it simpler",
                Schema::MAX_COMPLEXITY
            );
            return Err(refused(&path.to_string(), message));
        }
        Ok(complexity)
    }

    fn keyword(&mut self, name: &str, value: &'a Json, path: &mut Path, depth: usize) -> Measured {
        match (name, value) {
            ("$ref", Json::String(reference)) => self.reference(reference, path, depth),
            // Inside a schema it would change what the references below it mean.
            ("$id" | "$schema", _) if path.0.len() > 1 => Err(refused(
                &path.to_string(),
                format!("`{name}` stands at the top only: refer to parts by `#/$defs/name`"),
            )),
            _ if DYNAMIC.contains(&name) => Err(refused(
                &path.to_string(),
                format!("`{name}` is not available here: refer to parts by `$ref`"),
            )),
            ("enum" | "const", values) => Ok(1 + values.as_array().map_or(0, Vec::len)),
            ("pattern", _) => Ok(PATTERN),
            ("patternProperties", Json::Object(schemas)) => {
                Ok(schemas.len() * PATTERN + self.named(schemas, path, depth)?)
            }
            (_, Json::Object(schemas)) if NAMED.contains(&name) => self.named(schemas, path, depth),
            _ if DEFINITIONS.contains(&name) || VALUES.contains(&name) => Ok(0),
            _ => self.schema(value, path, depth),
        }
    }

    fn named(&mut self, schemas: &'a Map<String, Json>, path: &mut Path, depth: usize) -> Measured {
        let mut complexity = 0;
        for (name, schema) in schemas {
            path.0.push(name.clone());
            complexity += self.schema(schema, path, depth + 1)?;
            path.0.pop();
        }
        Ok(complexity)
    }

    fn reference(&mut self, reference: &'a str, path: &Path, depth: usize) -> Measured {
        let refuse = |message: String| Err(refused(&path.to_string(), message));
        let found = match reference.strip_prefix('#') {
            Some(pointer) if !pointer.contains('%') => self.root.pointer(pointer),
            _ => None,
        };
        let Some(schema) = found else {
            return refuse(format!(
                "`{reference}` is not a part of this schema: copy it to `$defs` and refer to `#/$defs/name`"
            ));
        };
        match self.referred.get(reference) {
            Some(Some(complexity)) => return Ok(*complexity),
            Some(None) => return refuse(format!("`{reference}` refers to itself: say how deep it goes instead")),
            None => {}
        }
        self.referred.insert(reference, None);
        let mut there = Path(reference.split('/').skip(1).map(str::to_owned).collect());
        let complexity = self.schema(schema, &mut there, depth + 1)?;
        self.referred.insert(reference, Some(complexity));
        Ok(complexity)
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|part| write!(f, "/{part}"))
    }
}

fn refused(path: &str, message: impl Into<String>) -> SchemaError {
    SchemaError::Refused {
        path: super::bounded(path),
        message: super::bounded(&message.into()),
    }
}
