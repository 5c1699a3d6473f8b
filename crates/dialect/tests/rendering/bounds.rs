//! A dialect of one's own can't take the dispatcher with it.

use tidings_dialect::{DialectError, Dialects, RenderError};

use crate::case::Case;

fn refused(template: &str) -> String {
    let dir = tempfile::TempDir::new().unwrap();
    let text = format!("name = 'mine'\ndescription = ''\nbody = '''{template}'''\n[samples]\n'a.b' = '{{}}'\n");
    std::fs::write(dir.path().join("mine.toml"), text).unwrap();
    match Dialects::with_directory(dir.path()) {
        Err(DialectError::Invalid { problem, .. }) => problem,
        other => panic!("{other:?} for {template}"),
    }
}

#[test]
fn a_loop_ends() {
    let nested = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}1";
    assert!(refused(nested).contains("out of fuel"), "{}", refused(nested));
    assert!(refused("{% for a in range(10000000000) %}{% endfor %}1").contains("range"));
    let case = Case::body("body = '[{% for a in data %}{% for b in data %}{% endfor %}{% endfor %}]'");
    let many = format!("[{}1]", "1,".repeat(10_000));
    let error = case.try_render("mine", "a.b", many.as_bytes(), &[]).unwrap_err();
    assert!(error.to_string().contains("out of fuel"), "{error}");
}

#[test]
fn what_is_written_is_bounded() {
    let case = Case::body("body = '[{% for item in data %}{{ payload }},{% endfor %}1]'");
    let payload = format!("[\"{}\"{}]", "x".repeat(100_000), ",1".repeat(20));
    let error = case.try_render("mine", "a.b", payload.as_bytes(), &[]).unwrap_err();
    assert!(matches!(error, RenderError::Template { .. }), "{error}");
    case.render("mine", "a.b", "[1,2,3]", &[]);
    let large = format!("\"{}\"", "x".repeat(5_000_000));
    for dialect in case.dialects.names().filter(|name| *name != "mine") {
        case.render(dialect, "a.b", &large, &[]);
    }
}

#[test]
fn other_files_are_out_of_reach() {
    for template in [
        "{% include 'standard.toml' %}",
        "{% import 'standard.toml' as x %}",
        "{% extends 'standard.toml' %}",
        "{% macro x() %}{{ x() }}{% endmacro %}{{ x() }}",
    ] {
        assert!(refused(template).contains("syntax error"), "{template}");
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(refused(&format!("{{{{ {deep} }}}}")).contains("`body`"));
}

#[test]
fn a_header_is_not_longer_than_servers_take() {
    let case = Case::body("body = '{{ payload }}'\n[headers]\nx-long = '{{ data.x }}'");
    let payload = |length: usize| format!(r#"{{"x":"{}"}}"#, "x".repeat(length));
    case.render("mine", "a.b", &payload(8192), &[]);
    let error = case
        .try_render("mine", "a.b", payload(8193).as_bytes(), &[])
        .unwrap_err();
    assert!(matches!(error, RenderError::Header { .. }), "{error}");
}
