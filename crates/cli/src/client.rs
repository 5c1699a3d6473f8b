//! Connections from commands to a running system.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use tidings_proto::pb::attempt_log_service_client::AttemptLogServiceClient;
use tidings_proto::pb::audit_service_client::AuditServiceClient;
use tidings_proto::pb::endpoint_service_client::EndpointServiceClient;
use tidings_proto::pb::erasure_service_client::ErasureServiceClient;
use tidings_proto::pb::event_service_client::EventServiceClient;
use tidings_proto::pb::event_type_service_client::EventTypeServiceClient;
use tidings_proto::pb::explain_service_client::ExplainServiceClient;
use tidings_proto::pb::queue_service_client::QueueServiceClient;
use tidings_proto::pb::replay_service_client::ReplayServiceClient;
use tidings_proto::pb::tenant_service_client::TenantServiceClient;
use tidings_service::problem::Problem;
use tidings_service::tls::ClientTls;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// The largest answer that a command reads, bytes.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// The flags of every command that talks to a running system.
#[derive(Args, Clone)]
pub struct ClientArgs {
    /// Address of the service: standalone, or the role that this command needs.
    #[arg(
        long,
        global = true,
        env = "TIDINGS_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:50051"
    )]
    pub server: String,
    /// The API key to authenticate with (tk_…).
    #[arg(long, global = true, env = "TIDINGS_KEY", value_name = "KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// A file with the API key, used if no key is given.
    #[arg(
        long,
        global = true,
        env = "TIDINGS_KEY_FILE",
        value_name = "FILE",
        default_value = "tidings-data/operator.key"
    )]
    pub key_file: PathBuf,
    /// Certificates of authorities (PEM) to trust for https:// instead of the public ones.
    #[arg(long, global = true, env = "TIDINGS_TLS_CA_FILE", value_name = "FILE")]
    pub tls_ca_file: Option<PathBuf>,
    /// The client certificate (PEM) for servers that require one.
    #[arg(long, global = true, env = "TIDINGS_TLS_CERTIFICATE_FILE", value_name = "FILE")]
    pub tls_certificate_file: Option<PathBuf>,
    /// The private key (PEM) of that certificate.
    #[arg(long, global = true, env = "TIDINGS_TLS_KEY_FILE", value_name = "FILE")]
    pub tls_key_file: Option<PathBuf>,
}

/// A connection to a running system with a key. Cheap to clone.
#[derive(Clone)]
pub struct Client(InterceptedService<Channel, Key>);

#[derive(Clone)]
pub struct Key(MetadataValue<Ascii>);

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl ClientArgs {
    /// Connects with the given key, or the one in the key file.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        let key = match &self.key {
            Some(key) => key.clone(),
            None => std::fs::read_to_string(&self.key_file).with_context(|| {
                format!(
                    "no key: give --key or TIDINGS_KEY, or run where {} is (standalone makes it)",
                    self.key_file.display()
                )
            })?,
        };
        Client::connect(&self.server, &self.tls(), key.trim()).await
    }
}

impl ClientArgs {
    /// TLS settings for `https://` servers.
    pub fn tls(&self) -> ClientTls {
        ClientTls {
            ca_file: self.tls_ca_file.clone(),
            certificate_file: self.tls_certificate_file.clone(),
            key_file: self.tls_key_file.clone(),
            server_name: None,
        }
    }
}

impl Client {
    /// Connects to a server with a key.
    pub async fn connect(server: &str, tls: &ClientTls, key: &str) -> anyhow::Result<Self> {
        let wrong = || anyhow!("`{server}` is not an address: write it like http://127.0.0.1:50051");
        let mut endpoint = Endpoint::from_shared(server.to_owned()).map_err(|_| wrong())?;
        if endpoint.uri().scheme_str() == Some("https") {
            endpoint = endpoint.tls_config(tls.grpc()?).map_err(|_| wrong())?;
        }
        let endpoint = endpoint
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .initial_stream_window_size(1024 * 1024)
            .initial_connection_window_size(4 * 1024 * 1024);
        let channel = endpoint
            .connect()
            .await
            .with_context(|| format!("no server at {server}: is it running? (`tidings standalone`)"))?;
        let key = format!("Bearer {key}")
            .parse()
            .map_err(|_| anyhow!("the key is not visible ASCII"))?;
        Ok(Self(InterceptedService::new(channel, Key(key))))
    }

    pub fn events(&self) -> EventServiceClient<InterceptedService<Channel, Key>> {
        EventServiceClient::new(self.0.clone())
    }

    pub fn log(&self) -> AttemptLogServiceClient<InterceptedService<Channel, Key>> {
        AttemptLogServiceClient::new(self.0.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    pub fn queues(&self) -> QueueServiceClient<InterceptedService<Channel, Key>> {
        QueueServiceClient::new(self.0.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    pub fn tenants(&self) -> TenantServiceClient<InterceptedService<Channel, Key>> {
        TenantServiceClient::new(self.0.clone())
    }

    pub fn replays(&self) -> ReplayServiceClient<InterceptedService<Channel, Key>> {
        ReplayServiceClient::new(self.0.clone())
    }

    pub fn explanations(&self) -> ExplainServiceClient<InterceptedService<Channel, Key>> {
        ExplainServiceClient::new(self.0.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    pub fn erasures(&self) -> ErasureServiceClient<InterceptedService<Channel, Key>> {
        ErasureServiceClient::new(self.0.clone())
    }

    pub fn audit(&self) -> AuditServiceClient<InterceptedService<Channel, Key>> {
        AuditServiceClient::new(self.0.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    pub fn event_types(&self) -> EventTypeServiceClient<InterceptedService<Channel, Key>> {
        EventTypeServiceClient::new(self.0.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    pub fn endpoints(&self) -> EndpointServiceClient<InterceptedService<Channel, Key>> {
        EndpointServiceClient::new(self.0.clone())
    }
}

/// A refusal in the words of the service, with its code and field.
pub fn explain(status: Status) -> anyhow::Error {
    let (code, field, detail) = Problem::from_status(&status);
    match field {
        Some(field) => anyhow!("{field}: {detail} ({code})"),
        None => anyhow!("{detail} ({code})"),
    }
}
