//! Compiles `proto/` with a Rust compiler for protobuf, so that building needs no `protoc`.

use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let files = [
        "event",
        "log",
        "control",
        "catalogue",
        "replay",
        "erasure",
        "audit",
        "dispatcher",
        "queue",
    ]
    .map(|name| root.join(format!("tidings/v1/{name}.proto")));

    let descriptors = protox::compile(&files, [&root])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // A payload shares the buffer that it arrived in.
        .bytes(".tidings.v1.PublishRequest.payload")
        .bytes(".tidings.v1.EventAccepted.payload")
        .bytes(".tidings.v1.FetchedDelivery.payload")
        .bytes(".tidings.v1.AttemptMade.request_body")
        .bytes(".tidings.v1.ParkedMessage.body")
        .compile_fds(descriptors)?;
    Ok(())
}
