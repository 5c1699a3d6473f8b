//! `/webhooks/settings`: how the tenant's events are checked and how long they are kept.

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tidings_domain::Timestamp;

use crate::form::{Fields, Form};
use crate::rest::Refusal;
use crate::visitor::Visitor;

const VALIDATIONS: [&str; 3] = ["off", "warn", "reject"];

#[derive(Template)]
#[template(path = "tenant_settings.html")]
struct TenantSettingsPage<'a> {
    v: &'a Visitor,
    tenant: &'a Tenant,
    /// The submitted fields after a refusal; otherwise the stored values are shown.
    fields: Option<&'a Fields>,
    refusal: Option<&'a Refusal>,
    is_saved: bool,
}

#[derive(Deserialize)]
struct Tenant {
    id: String,
    name: String,
    schema_validation: String,
    payload_retention_days: Option<u32>,
    attempt_retention_days: Option<u32>,
    updated_at: Timestamp,
}

impl TenantSettingsPage<'_> {
    fn validations(&self) -> [&'static str; 3] {
        VALIDATIONS
    }

    fn is_chosen(&self, validation: &str) -> bool {
        let kept = self.tenant.schema_validation.as_str();
        self.fields.map_or(kept, |fields| fields.text("schema_validation")) == validation
    }

    fn validation(&self, name: &str) -> String {
        self.v.t(&format!("validation-{name}"))
    }

    fn days(&self, name: &str, kept: &Option<u32>) -> String {
        let kept = kept.map(|days| days.to_string()).unwrap_or_default();
        self.fields.map_or(kept, |fields| fields.raw(name).to_owned())
    }
}

pub(crate) async fn ask(visitor: Visitor, fields: Fields) -> Result<Response, Response> {
    let tenant = tenant(&visitor).await?;
    Ok(page(&visitor, &tenant, None, None, fields.has("saved")))
}

pub(crate) async fn save(visitor: Visitor, Form(fields): Form) -> Result<Response, Response> {
    let kept = tenant(&visitor).await?;
    let saved = match changes(&visitor, &kept, &fields) {
        Ok(changes) => {
            let path = format!("/tenants/{}", kept.id);
            visitor.send::<Value>(Method::PATCH, path, &changes).await
        }
        Err(refusal) => Err(refusal),
    };
    match saved {
        Ok(_) => Ok(visitor.lead("/settings?saved=1")),
        Err(refusal) => Ok(page(&visitor, &kept, Some(&fields), Some(&refusal), false)),
    }
}

fn changes(visitor: &Visitor, kept: &Tenant, fields: &Fields) -> Result<Value, Refusal> {
    let refusal = |status: StatusCode, code: &str, key: &str, field: Option<&str>| Refusal {
        status: status.as_u16(),
        code: code.into(),
        detail: visitor.t(key),
        field: field.map(str::to_owned),
    };
    if fields.text("seen") != kept.updated_at.to_string() {
        return Err(refusal(
            StatusCode::CONFLICT,
            "tenant_changed",
            "settings-conflict",
            None,
        ));
    }
    let days = |name: &str| match fields.given(name).map(str::parse::<u32>) {
        None => Ok(Value::Null),
        Some(Ok(days)) => Ok(days.into()),
        Some(Err(_)) => Err(refusal(
            StatusCode::BAD_REQUEST,
            "field_invalid",
            "settings-number",
            Some(name),
        )),
    };
    Ok(json!({
        "schema_validation": fields.given("schema_validation"),
        "payload_retention_days": days("payload_retention_days")?,
        "attempt_retention_days": days("attempt_retention_days")?,
    }))
}

async fn tenant(visitor: &Visitor) -> Result<Tenant, Response> {
    let id = visitor.caller.tenant(None).ok().flatten();
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    visitor.get(format!("/tenants/{id}")).await
}

fn page(
    visitor: &Visitor,
    tenant: &Tenant,
    fields: Option<&Fields>,
    refusal: Option<&Refusal>,
    is_saved: bool,
) -> Response {
    let page = TenantSettingsPage {
        v: visitor,
        tenant,
        fields,
        refusal,
        is_saved,
    };
    let status = refusal.map_or(200, |refusal| refusal.status);
    visitor.page(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), &page)
}
