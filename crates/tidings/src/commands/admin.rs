//! `tidings admin`: tasks beside the running system.

use clap::Subcommand;
use tidings_control::keys::bootstrap_key;
use tidings_store::Registry as _;
use tidings_store::postgres::Postgres;

use crate::config::ConfigArgs;

/// Tasks beside the running system, such as making the first key.
///
/// Example:
///   tidings admin bootstrap --config tidings.toml
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes the first operator key and prints it. Refused when there is one already.
    ///
    /// Example:
    ///   tidings admin bootstrap --database-url postgres://tidings@db/tidings
    #[command(verbatim_doc_comment)]
    Bootstrap {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let Command::Bootstrap { config } = args.command;
    let config = config.load()?;
    let store = Postgres::connect(&config.database, config.secrets.sealer()?).await?;
    let (key, token, entry) = bootstrap_key();
    anyhow::ensure!(
        store.create_first_operator_key(&key, &entry).await?,
        "there is an operator key already: use it, or delete the operators' rows of `api_keys` if it is lost"
    );
    println!("{}", token.reveal());
    Ok(())
}
