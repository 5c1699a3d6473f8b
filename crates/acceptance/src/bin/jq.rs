//! A stand-in for `jq`, as far as `docs/api.md` uses it, so that its examples can be tested where there is none:
//! `jq -r .path[0].to.a.value file`.

use std::error::Error;
use std::process::ExitCode;

use serde_json::Value;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("jq: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<String, Box<dyn Error>> {
    let [raw, path, file] = arguments else {
        return Err("give -r, a path and a file".into());
    };
    if raw != "-r" || !path.starts_with('.') {
        return Err("only `-r .path` is understood".into());
    }
    let document: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    // `.data[0].id` is `/data/0/id` to a JSON pointer (RFC 6901).
    let pointer = path.replace('[', ".").replace(']', "").replace('.', "/");
    match document.pointer(&pointer).unwrap_or(&Value::Null) {
        Value::String(text) => Ok(text.clone()),
        value => Ok(value.to_string()),
    }
}
