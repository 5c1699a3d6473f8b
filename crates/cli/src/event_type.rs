//! `tidings event-type`: the catalogue of event types.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use serde::Serialize;
use serde_json::value::RawValue;
use tidings_domain::{EventType, Timestamp};
use tidings_proto::pb;

use crate::client::{Client, ClientArgs, explain};
use crate::output::{self, Format, OutputArgs, fields, instant, line, lines, table, time};
use crate::pages;

/// Manages the catalogue of event types, with descriptions and schemas. Changes require an operator's key.
///
/// Example:
///   tidings event-type create feedback.created --schema feedback.created.json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Adds an event type, or a new version of it, which applies from then on.
    ///
    /// Example:
    ///   tidings event-type create feedback.created --description 'Somebody wrote feedback' --schema feedback.json
    #[command(verbatim_doc_comment)]
    Create {
        /// The event type, like feedback.created.
        name: EventType,
        /// A description for people.
        #[arg(long, default_value = "")]
        description: String,
        /// A file with the JSON Schema of its payloads [default: any payload is valid].
        #[arg(long, value_name = "FILE")]
        schema: Option<PathBuf>,
    },
    /// Lists the event types of the catalogue by name.
    ///
    /// Example:
    ///   tidings event-type list
    #[command(verbatim_doc_comment)]
    List,
    /// Shows an event type with all its versions.
    ///
    /// Example:
    ///   tidings event-type get feedback.created
    #[command(verbatim_doc_comment, alias = "show")]
    Get {
        /// The event type, like feedback.created.
        name: EventType,
    },
    /// Removes an event type with all its versions. Events of this type can still be published.
    ///
    /// Example:
    ///   tidings event-type delete feedback.created
    #[command(verbatim_doc_comment)]
    Delete {
        /// The event type, like feedback.created.
        name: EventType,
    },
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let format = args.output.output;
    match args.command {
        Command::Create {
            name,
            description,
            schema,
        } => {
            let schema = schema
                .map(|path| std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display())));
            let request = pb::CreateEventTypeVersionRequest {
                name: name.to_string(),
                description,
                schema: schema.transpose()?.unwrap_or_default(),
            };
            let client = args.client.connect().await?;
            let added = client.event_types().create_event_type_version(request).await;
            one(format, &added.map_err(explain)?.into_inner())
        }
        Command::List => list(format, &all(&args.client.connect().await?).await?),
        Command::Get { name } => {
            let request = pb::GetEventTypeRequest { name: name.to_string() };
            let client = args.client.connect().await?;
            let found = client.event_types().get_event_type(request).await.map_err(explain)?;
            let versions = found.into_inner().versions;
            versions.iter().enumerate().try_for_each(|(index, version)| {
                if index > 0 && format == Format::Text {
                    line("")?;
                }
                one(format, version)
            })
        }
        Command::Delete { name } => {
            let request = pb::DeleteEventTypeRequest { name: name.to_string() };
            let client = args.client.connect().await?;
            client.event_types().delete_event_type(request).await.map_err(explain)?;
            output::done(format, "deleted", &name)
        }
    }
}

async fn all(client: &Client) -> anyhow::Result<Vec<pb::EventTypeVersion>> {
    let listed = pages::collect(u32::MAX, async |page_size, page_token| {
        let request = pb::ListEventTypesRequest { page_size, page_token };
        let page = client.event_types().list_event_types(request).await?.into_inner();
        Ok((page.event_types, page.next_page_token))
    });
    listed.await.map_err(explain)
}

fn one(format: Format, version: &pb::EventTypeVersion) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::json(&Document::of(version));
    }
    fields(&[
        ("event type", version.name.clone()),
        ("version", version.version.to_string()),
        ("description", version.description.clone()),
        ("created", time(version.created_at.as_ref())),
    ])?;
    match version.schema.trim_end() {
        "" => Ok(()),
        schema => lines(schema),
    }
}

fn list(format: Format, event_types: &[pb::EventTypeVersion]) -> anyhow::Result<()> {
    if format == Format::Json {
        return event_types
            .iter()
            .try_for_each(|version| output::json(&Document::of(version)));
    }
    let row = |version: &pb::EventTypeVersion| {
        vec![
            version.name.clone(),
            version.version.to_string(),
            if version.schema.is_empty() { "no" } else { "yes" }.to_owned(),
            version.description.clone(),
        ]
    };
    let header = ["event type", "version", "schema", "description"];
    table(&header, &event_types.iter().map(row).collect::<Vec<_>>())
}

#[derive(Serialize)]
struct Document<'a> {
    name: &'a str,
    version: u32,
    description: &'a str,
    schema: Option<&'a RawValue>,
    created_at: Option<Timestamp>,
}

impl<'a> Document<'a> {
    fn of(version: &'a pb::EventTypeVersion) -> Self {
        Self {
            name: &version.name,
            version: version.version,
            description: &version.description,
            schema: serde_json::from_str(&version.schema).ok(),
            created_at: instant(version.created_at.as_ref()),
        }
    }
}
