//! `tidings endpoint rotate-secret`: another signing secret.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tidings_domain::{EndpointId, Timestamp};
use tidings_proto::{duration, pb};

use crate::arguments::secret_in;
use crate::client::{Client, explain};
use crate::output::{self, Format, fields, instant, time};

/// Replaces the secret and prints the new one; the old one keeps signing for a while.
///
/// If the dialect has room for several signatures, both secrets sign during the overlap. Otherwise the old secret signs
/// until the overlap ends, and the new one from then on.
///
/// Examples:
///   tidings endpoint rotate-secret ep_…
///   tidings endpoint rotate-secret ep_… --secret-file new-secret --overlap 2h
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The endpoint (ep_…).
    endpoint: EndpointId,
    /// The new secret [default: a generated one of the kind that the endpoint has].
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    /// A file that holds the new secret, or - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "secret")]
    secret_file: Option<PathBuf>,
    /// Time for which the old secret still signs, up to 7d; 0s to stop it at once.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
    overlap: Duration,
}

#[derive(Serialize)]
struct Document<'a> {
    secret: &'a str,
    public_key: Option<&'a str>,
    previous_secret_until: Option<Timestamp>,
    signing_secret: Option<&'a str>,
    note: Option<&'a str>,
}

pub(super) async fn run(client: &Client, format: Format, args: Args) -> anyhow::Result<()> {
    let request = pb::RotateEndpointSecretRequest {
        endpoint_id: args.endpoint.to_string(),
        secret: args.secret()?.unwrap_or_default(),
        overlap: Some(duration(args.overlap)),
    };
    let mut endpoints = client.endpoints();
    let rotated = endpoints
        .rotate_endpoint_secret(request)
        .await
        .map_err(explain)?
        .into_inner();
    match format {
        Format::Json => output::json(&Document {
            secret: &rotated.secret,
            public_key: Some(rotated.public_key.as_str()).filter(|key| !key.is_empty()),
            previous_secret_until: instant(rotated.previous_secret_until.as_ref()),
            signing_secret: Some(rotated.signing_secret.as_str()).filter(|name| !name.is_empty()),
            note: Some(rotated.note.as_str()).filter(|note| !note.is_empty()),
        }),
        Format::Text => fields(&[
            ("secret", rotated.secret),
            ("public key", rotated.public_key),
            ("previous secret until", time(rotated.previous_secret_until.as_ref())),
            ("signing secret", rotated.signing_secret),
            ("note", rotated.note),
        ]),
    }
}

impl Args {
    /// Reads the secret from the flag, or from the file.
    fn secret(&self) -> anyhow::Result<Option<String>> {
        match &self.secret_file {
            Some(path) => secret_in(path).map(Some),
            None => Ok(self.secret.clone()),
        }
    }
}
