//! All roles in one process, on the embedded engines.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidings_store::seal::{SealKey, Sealer};
use tidings_store::sqlite::Sqlite;
use tidings_testkit::Reserved;

use crate::SOON;
use crate::client::{Client, Servers};
use crate::role::Role;

/// `tidings standalone` with a data directory of its own.
#[derive(Debug)]
pub struct Standalone {
    pub process: Role,
    /// Speaks to it with the operator's key.
    pub operator: Client,
    /// The token of the operator's key.
    pub operator_token: String,
    pub servers: Servers,
    data: TempDir,
    _addresses: [Reserved; 2],
}

impl Standalone {
    /// A new system, running and ready.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A new system with these variables (`SECTION__KEY`).
    pub async fn start_with(variables: &[(&str, &str)]) -> Self {
        Self::start_wrapped(|_| Vec::new(), variables).await
    }

    /// A new system whose data lie on a disk of their own with so many MiB, which only its process sees; see
    /// [`Standalone::disk`]. Needs the right to mount in a namespace of one's own. What is lost while the disk is full is
    /// published again after 3 s.
    pub async fn start_on_small_disk(mib: u32) -> Self {
        let mount = format!("mount -t tmpfs -o size={mib}m tmpfs \"$0\" && exec \"$@\"");
        let wrapper = |data: &str| {
            let words = ["unshare", "--map-root-user", "--mount", "sh", "-c", &mount, data];
            words.map(str::to_owned).to_vec()
        };
        Self::start_wrapped(wrapper, &[("LOG__GRACE", "3s"), ("DISPATCHER__CHECK_AFTER", "2s")]).await
    }

    /// Parks unreadable messages, as a dispatcher would. The process is stopped meanwhile, because it locks its
    /// database.
    pub async fn park(&mut self, bodies: &[&[u8]]) {
        /// The number under which the embedded queue keeps parked messages.
        const PARKED: i64 = 201;
        self.process.terminate(SOON).await;
        let sealer = Sealer::new(vec![SealKey::generate()]).expect("one key is enough");
        let store = Sqlite::open(&self.data.path().join("tidings.db"), sealer).expect("the database can be opened");
        let bodies: Vec<Vec<u8>> = bodies.iter().map(|body| body.to_vec()).collect();
        let written = store.write(move |connection| {
            let sql = "INSERT INTO messages (lane, ready_at_ms, body) VALUES (?1, 0, ?2)";
            for body in bodies {
                connection.execute(sql, (PARKED, body))?;
            }
            Ok(())
        });
        written.await.expect("messages can be written");
        drop(store);
        self.process.start().await;
    }

    /// Its disk as its process sees it.
    pub fn disk(&mut self) -> PathBuf {
        let inside = self.data.path().strip_prefix("/").expect("an absolute path");
        PathBuf::from(format!("/proc/{}/root", self.process.running().id())).join(inside)
    }

    async fn start_wrapped(wrapper: impl FnOnce(&str) -> Vec<String>, more: &[(&str, &str)]) -> Self {
        let data = TempDir::new().expect("a temporary directory can be made");
        let [grpc, http, monitor] = [(); 3].map(|()| Reserved::address());
        let servers = Servers {
            ingest: grpc.url(),
            http: http.url(),
            rest: http.url(),
            log: grpc.url(),
            control: grpc.url(),
        };
        let variables = [
            ("STANDALONE__DATA_DIR", data.path().display().to_string()),
            ("STANDALONE__GRPC_ADDRESS", grpc.socket().to_string()),
            ("STANDALONE__HTTP_ADDRESS", http.socket().to_string()),
            ("STANDALONE__MONITOR_ADDRESS", monitor.socket().to_string()),
            ("DESTINATIONS__ALLOWED_NETWORKS", "[\"127.0.0.0/8\"]".to_owned()),
        ];
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let variables = variables.into_iter().chain(more);
        let variables = variables
            .map(|(name, value)| (format!("TIDINGS_{name}"), value))
            .collect();
        let mut process = Role::new("standalone", monitor, variables);
        process.wrap(wrapper(&data.path().display().to_string()));
        process.start().await;
        let root = format!("/proc/{}/root", process.running().id());
        let key = Path::new(&root).join(data.path().strip_prefix("/").expect("an absolute path"));
        let key = fs::read_to_string(key.join("operator.key")).expect("standalone makes an operator's key");
        let operator_token = key.trim().to_owned();
        let operator = Client::new(&servers, &operator_token);
        Self {
            process,
            operator,
            operator_token,
            servers,
            data,
            _addresses: [grpc, http],
        }
    }

    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// A client that uses another key.
    pub fn client(&self, token: &str) -> Client {
        Client::new(&self.servers, token)
    }
}
