//! `tidings migrate`.

use crate::config::ConfigArgs;

/// Brings the PostgreSQL schema up to what this version works with. Safe to run at every deployment.
///
/// Example:
///   tidings migrate --database-url postgres://tidings@db/tidings
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let config = args.config.load()?;
    let applied = tidings_store::postgres::migrate(&config.database).await?;
    match applied.as_slice() {
        [] => println!("the schema is up to date"),
        names => names.iter().for_each(|name| println!("applied {name}")),
    }
    Ok(())
}
