//! The endpoint that a listener makes for itself.

use tidings_domain::{EventPattern, TenantId};
use tidings_proto::pb;
use tidings_service::problem::Problem;

use crate::client::{Client, explain};

/// An endpoint that leads to this listener, and is deleted at its end.
pub(super) struct OwnEndpoint {
    client: Client,
    pub(super) id: String,
    pub(super) secret: String,
}

impl OwnEndpoint {
    /// Makes it, with a secret of its own.
    pub(super) async fn create(
        client: Client,
        tenant: Option<TenantId>,
        url: &str,
        dialect: String,
        patterns: &[EventPattern],
    ) -> anyhow::Result<Self> {
        let subscription = |pattern: &EventPattern| pb::Subscription {
            pattern: pattern.to_string(),
            disabled: false,
            ..pb::Subscription::default()
        };
        let endpoint = pb::Endpoint {
            tenant_id: tenant.map(|tenant| tenant.to_string()).unwrap_or_default(),
            name: "tidings listen".into(),
            url: url.into(),
            dialect,
            subscriptions: patterns.iter().map(subscription).collect(),
            ..pb::Endpoint::default()
        };
        let request = pb::CreateEndpointRequest {
            endpoint: Some(endpoint),
            disabled: false,
        };
        let created = client.endpoints().create_endpoint(request).await.map_err(|status| {
            let hint = "the server may not send to this machine: start it with --allow-network 127.0.0.0/8";
            match Problem::from_status(&status).0.as_str() {
                "url_not_allowed" => explain(status).context(hint),
                _ => explain(status),
            }
        })?;
        let pb::Endpoint { id, secret, .. } = created.into_inner();
        Ok(Self { client, id, secret })
    }

    /// Deletes it; when that fails, says how to do it by hand.
    pub(super) async fn delete(self) -> anyhow::Result<()> {
        let request = pb::DeleteEndpointRequest {
            endpoint_id: self.id.clone(),
        };
        match self.client.endpoints().delete_endpoint(request).await {
            Ok(_) => {
                eprintln!("deleted the endpoint {}", self.id);
                Ok(())
            }
            Err(status) => {
                let hint = format!(
                    "the endpoint stays: delete it with `tidings endpoint delete {}`",
                    self.id
                );
                Err(explain(status).context(hint))
            }
        }
    }
}
