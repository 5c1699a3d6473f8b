//! A system with every role in a process of its own.

use std::path::Path;

use tidings_domain::key::Token;
use tidings_store::seal::SealKey;
use tidings_testkit::{Reserved, TestDatabase, TestVhost};

use crate::client::{Client, Servers};
use crate::role::{Role, run_to_end};

/// The four roles, each a process, on a database and a virtual host of their own.
#[derive(Debug)]
pub struct System {
    pub ingest: Role,
    pub dispatcher: Role,
    pub log: Role,
    pub control: Role,
    /// Speaks to all of them with the operator's key.
    pub operator: Client,
    /// The token of the operator's key.
    pub operator_token: String,
    pub servers: Servers,
    pub database: TestDatabase,
    pub vhost: TestVhost,
    addresses: [Reserved; 6],
}

impl System {
    /// Starts every role and waits until all are ready.
    pub async fn start() -> Self {
        let mut system = Self::prepare().await;
        system.start_roles().await;
        system
    }

    /// Database migrated, operator's key made, nothing running yet: the moment to [`System::set`] variables.
    pub async fn prepare() -> Self {
        let (database, vhost) = tokio::join!(TestDatabase::create(), TestVhost::create());
        let addresses = [(); 6].map(|()| Reserved::address());
        let [ingest, http, rest, log, control, dispatcher] = &addresses;
        let servers = Servers {
            ingest: ingest.url(),
            http: http.url(),
            rest: rest.url(),
            log: log.url(),
            control: control.url(),
        };
        let variables = variables(&database, &vhost, &servers, dispatcher);
        run_to_end(&["migrate"], &variables).await;
        let operator_token = run_to_end(&["admin", "bootstrap"], &variables).await.trim().to_owned();
        let role = |name| {
            let monitor = Reserved::address();
            let mut variables = variables.clone();
            variables.push(("TIDINGS_MONITOR__ADDRESS".to_owned(), monitor.socket().to_string()));
            Role::new(name, monitor, variables)
        };
        Self {
            ingest: role("ingest"),
            dispatcher: role("dispatcher"),
            log: role("log"),
            control: role("control"),
            operator: Client::new(&servers, &operator_token),
            operator_token,
            servers,
            database,
            vhost,
            addresses,
        }
    }

    /// Sets an environment variable (`TIDINGS_SECTION__KEY`) for the next start of every role.
    pub fn set(&mut self, variable: &str, value: &str) {
        for role in self.roles() {
            role.set(variable, value);
        }
    }

    /// From the next start on roles speak TLS to each other and to everybody, and both sides show a certificate of this
    /// authority: the same for all, for 127.0.0.1.
    pub fn speak_tls(&mut self, authority: &Path, certificate: &Path, key: &Path) {
        let [_, _, _, log, _, dispatcher] = &self.addresses;
        let secure = |address: &Reserved| format!("[\"https://{}\"]", address.socket());
        let (log, dispatcher) = (secure(log), secure(dispatcher));
        self.set("TIDINGS_LOG_CLIENT__SERVERS", &log);
        self.set("TIDINGS_DISPATCHER_CLIENT__SERVERS", &dispatcher);
        for (section, of_others) in [
            ("SERVER__GRPC_TLS", "CLIENT_CA_FILE"),
            ("LOG_CLIENT__TLS", "CA_FILE"),
            ("DISPATCHER_CLIENT__TLS", "CA_FILE"),
        ] {
            for (name, path) in [
                (of_others, authority),
                ("CERTIFICATE_FILE", certificate),
                ("KEY_FILE", key),
            ] {
                self.set(&format!("TIDINGS_{section}__{name}"), &path.display().to_string());
            }
        }
    }

    /// Starts every role and waits until all are ready.
    pub async fn start_roles(&mut self) {
        for role in self.roles() {
            role.spawn();
        }
        for role in self.roles() {
            role.ready().await;
        }
    }

    /// A client that uses another key.
    pub fn client(&self, token: &str) -> Client {
        Client::new(&self.servers, token)
    }

    pub fn roles(&mut self) -> [&mut Role; 4] {
        [&mut self.ingest, &mut self.dispatcher, &mut self.log, &mut self.control]
    }
}

fn variables(
    database: &TestDatabase,
    vhost: &TestVhost,
    servers: &Servers,
    dispatcher: &Reserved,
) -> Vec<(String, String)> {
    let listen = |url: &str| url.trim_start_matches("http://").to_owned();
    let variables = [
        ("DATABASE__URL", database.url()),
        ("AMQP__URL", vhost.amqp_url()),
        // Fewer queues than usual and no rest after their declaration: the broker is not killed here, and a test
        // would spend most of its time on them.
        ("AMQP__SHARDS", "2".to_owned()),
        ("AMQP__SETTLE", "100ms".to_owned()),
        ("SECRETS__KEYS", format!("[\"{}\"]", SealKey::generate().reveal())),
        ("INTERNAL__TOKEN", Token::generate().reveal().to_owned()),
        ("DESTINATIONS__ALLOWED_NETWORKS", "[\"127.0.0.0/8\"]".to_owned()),
        ("INGEST__GRPC_ADDRESS", listen(&servers.ingest)),
        ("INGEST__HTTP_ADDRESS", listen(&servers.http)),
        ("LOG__GRPC_ADDRESS", listen(&servers.log)),
        ("CONTROL__GRPC_ADDRESS", listen(&servers.control)),
        ("CONTROL__HTTP_ADDRESS", listen(&servers.rest)),
        ("LOG_CLIENT__SERVERS", format!("[\"{}\"]", servers.log)),
        ("DISPATCHER__GRPC_ADDRESS", dispatcher.socket().to_string()),
        ("DISPATCHER_CLIENT__SERVERS", format!("[\"{}\"]", dispatcher.url())),
    ];
    variables
        .map(|(name, value)| (format!("TIDINGS_{name}"), value))
        .to_vec()
}
