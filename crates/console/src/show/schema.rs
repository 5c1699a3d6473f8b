//! A JSON Schema as a tree of fields, for people who want to know what an event has and not how schemas are written.

use serde_json::Value;

/// The most fields that are shown.
const MAX_FIELDS: usize = 500;
/// The depth to which fields are followed, since schemas may refer to themselves.
const MAX_DEPTH: usize = 10;

/// One field of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// The number of fields that it lies in.
    pub(crate) depth: usize,
    /// Its name; `[]` for the entries of a list, `*` for fields of any other name.
    pub(crate) name: String,
    /// `string`, `integer or null`, or one of several forms.
    pub(crate) kind: String,
    pub(crate) is_required: bool,
    pub(crate) description: String,
    /// The limits of its values as the schema writes them: `maxLength: 200`.
    pub(crate) limits: Vec<String>,
}

/// Keywords that say what values must be.
const LIMITS: [&str; 14] = [
    "const",
    "enum",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
];

/// The fields of what a schema describes, each before those that lie in it.
pub(crate) fn fields(schema: &str) -> Vec<Field> {
    let Ok(root) = serde_json::from_str::<Value>(schema) else {
        return Vec::new();
    };
    let mut fields = Vec::new();
    inside(&root, &root, 0, &mut fields);
    fields
}

/// The fields that lie in what a schema describes.
fn inside(root: &Value, schema: &Value, depth: usize, fields: &mut Vec<Field>) {
    let schema = resolved(root, schema);
    let required = |name: &str| {
        let names = schema["required"].as_array();
        names.is_some_and(|names| names.iter().any(|required| required == name))
    };
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        field(root, child, depth, name, required(name), fields);
    }
    for (keyword, name) in [("items", "[]"), ("additionalProperties", "*")] {
        if schema[keyword].is_object() {
            field(root, &schema[keyword], depth, name, false, fields);
        }
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if depth < MAX_DEPTH {
            inside(root, part, depth + 1, fields);
        }
    }
    for keyword in ["oneOf", "anyOf"] {
        for (number, form) in schema[keyword].as_array().into_iter().flatten().enumerate() {
            if resolved(root, form)["properties"].is_object() {
                field(root, form, depth, &format!("({})", number + 1), false, fields);
            }
        }
    }
}

fn field(root: &Value, schema: &Value, depth: usize, name: &str, is_required: bool, fields: &mut Vec<Field>) {
    if fields.len() >= MAX_FIELDS || depth >= MAX_DEPTH {
        return;
    }
    let own = resolved(root, schema);
    let limits = LIMITS.iter().filter_map(|keyword| {
        let value = own.get(*keyword)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some(format!("{keyword}: {text}"))
    });
    fields.push(Field {
        depth,
        name: name.to_owned(),
        kind: kind(root, own),
        is_required,
        description: own["description"]
            .as_str()
            .or(own["title"].as_str())
            .unwrap_or_default()
            .to_owned(),
        limits: limits.collect(),
    });
    inside(root, own, depth + 1, fields);
}

/// The target of a schema's reference within its own document; the schema itself if there is none.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn kind(root: &Value, schema: &Value) -> String {
    match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
            names.join(" | ")
        }
        _ => {
            let forms = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
            let forms: Vec<_> = forms
                .into_iter()
                .flatten()
                .map(|form| resolved(root, form)["type"].as_str().unwrap_or("…"))
                .collect();
            match (forms.is_empty(), schema["properties"].is_object()) {
                (false, _) => forms.join(" | "),
                (true, true) => "object".to_owned(),
                (true, false) => String::new(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_in_each_other() {
        let schema = r##"{
            "type": "object", "required": ["id"],
            "properties": {
                "id": { "type": "string", "description": "Which", "maxLength": 20 },
                "user": { "$ref": "#/$defs/user" },
                "tags": { "type": "array", "items": { "enum": ["a", "b"] } },
                "rating": { "type": ["integer", "null"], "minimum": 1 }
            },
            "$defs": { "user": { "type": "object", "properties": { "name": { "type": "string" } } } }
        }"##;
        let fields = fields(schema);
        let shown: Vec<_> = fields
            .iter()
            .map(|field| format!("{}{} {}", "  ".repeat(field.depth), field.name, field.kind))
            .collect();
        let expected = [
            "id string",
            "user object",
            "  name string",
            "tags array",
            "  [] ",
            "rating integer | null",
        ];
        assert_eq!(shown, expected);
        assert!(fields[0].is_required && !fields[1].is_required);
        assert_eq!(
            (fields[0].description.as_str(), &fields[0].limits),
            ("Which", &vec!["maxLength: 20".to_owned()])
        );
        assert_eq!(fields[4].limits, [r#"enum: ["a","b"]"#]);
    }

    #[test]
    fn schemas_that_refer_to_themselves_end() {
        let schema = r##"{ "properties": { "a": { "$ref": "#" }, "b": { "$ref": "#" }, "c": { "allOf": [{ "$ref": "#" }] } } }"##;
        assert!(fields(schema).len() <= MAX_FIELDS);
        assert!(fields("not json").is_empty() && fields("true").is_empty());
    }
}
