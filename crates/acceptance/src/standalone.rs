//! All roles in one process, on the embedded engines.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use tidings_testkit::Reserved;

use crate::client::{Client, Servers};
use crate::role::Role;

/// `tidings standalone` with a data directory of its own.
#[derive(Debug)]
pub struct Standalone {
    /// The process.
    pub process: Role,
    /// Speaks to it with the operator's key.
    pub operator: Client,
    /// The operator's key itself.
    pub operator_token: String,
    /// Where it listens.
    pub servers: Servers,
    data: TempDir,
    _grpc: Reserved,
}

impl Standalone {
    /// A new system, running and ready.
    pub async fn start() -> Self {
        let data = TempDir::new().expect("a temporary directory can be made");
        let (grpc, http) = (Reserved::address(), Reserved::address());
        let servers = Servers {
            ingest: grpc.url(),
            http: http.url(),
            log: grpc.url(),
            control: grpc.url(),
        };
        let variables = [
            ("STANDALONE__DATA_DIR", data.path().display().to_string()),
            ("STANDALONE__GRPC_ADDRESS", grpc.socket().to_string()),
            ("STANDALONE__HTTP_ADDRESS", http.socket().to_string()),
            ("DESTINATIONS__ALLOWED_NETWORKS", "[\"127.0.0.0/8\"]".to_owned()),
        ];
        let variables = variables
            .map(|(name, value)| (format!("TIDINGS_{name}"), value))
            .to_vec();
        let mut process = Role::new("standalone", http, variables);
        process.start().await;
        let key = fs::read_to_string(data.path().join("operator.key")).expect("standalone makes an operator's key");
        let operator_token = key.trim().to_owned();
        let operator = Client::new(&servers, &operator_token);
        Self {
            process,
            operator,
            operator_token,
            servers,
            data,
            _grpc: grpc,
        }
    }

    /// Where it keeps everything.
    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// A client with another key.
    pub fn client(&self, token: &str) -> Client {
        Client::new(&self.servers, token)
    }
}
