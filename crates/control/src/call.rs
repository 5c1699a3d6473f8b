//! One call: who makes it and from where, which rights are checked against and the audit log keeps.

use std::net::IpAddr;
use std::ops::Deref;

use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use tidings_domain::{AuditEntry, TenantId};
use tidings_service::problem::Problem;
use tidings_store::{Access, Caller};

use crate::now;

/// One call; as good as its caller.
#[derive(Clone, Debug)]
pub struct Call {
    caller: Caller,
    /// The header by which the caller was told, to ask others in their name.
    pub(crate) authorization: HeaderValue,
    remote_address: Option<String>,
    user_agent: Option<String>,
}

impl Call {
    /// The call that came with these headers (gRPC metadata are headers as well) from this address.
    pub(crate) fn read(access: &Access, headers: &HeaderMap, from: Option<IpAddr>) -> Result<Self, Problem> {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Ok(Self {
            caller: access.caller(headers)?,
            authorization: headers
                .get(AUTHORIZATION)
                .cloned()
                .unwrap_or(HeaderValue::from_static("")),
            remote_address: from.map(|address| address.to_canonical().to_string()),
            user_agent: headers.get(USER_AGENT).map(text),
        })
    }

    /// What the audit log keeps of a change by this call. The values must have no secrets.
    pub(crate) fn entry(
        &self,
        action: &str,
        target: impl ToString,
        tenant: Option<TenantId>,
        before: Option<Value>,
        after: Option<Value>,
    ) -> AuditEntry {
        AuditEntry::new(now(), self.caller.actor(), action, target)
            .of(tenant)
            .change(before, after)
            .from(self.remote_address.clone(), self.user_agent.as_deref())
    }
}

impl Deref for Call {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}
