//! The OpenAPI document: its head, and the refusals that operations share.

use tidings_domain::{AttemptId, DeliveryId, EndpointId, ErasureId, EventId, KeyId, ReplayId, TenantId};
use tidings_service::problem::Document;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{OpenApi as _, ToSchema as _};

use super::once::IDEMPOTENCY_KEY;

/// Name of the security scheme: bearer tokens.
const KEY: &str = "key";

const DESCRIPTION: &str = "Tells endpoints of events, and people what came of it.

Send a key as `Authorization: Bearer tk_…`. A tenant's key sees and touches that tenant's things only; an operator's key \
works for all tenants and names one where one is meant (`tenant_id`). Refusals are problem documents (RFC 9457) with a \
stable `code`.";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Tidings", version = "2", description = DESCRIPTION),
    components(schemas(Document)),
    security(("key" = [])),
    tags(
        (name = "endpoints", description = "Receivers of events, and their settings."),
        (name = "webhooks", description = "The one webhook of tenants that have one, and what became of deliveries."),
        (name = "events", description = "Published events and their deliveries."),
        (name = "deliveries", description = "One event for one endpoint."),
        (name = "replays", description = "Sending again."),
        (name = "erasures", description = "Removing content for good."),
        (name = "tenants", description = "Customers of the product that runs Tidings. For operators."),
        (name = "api-keys", description = "Keys and their scopes."),
        (name = "audit", description = "The log of changes."),
        (name = "queues", description = "Waiting messages, and those that were set aside. For operators."),
        (name = "system", description = "Health and configuration of the system. For operators."),
        (name = "catalogue", description = "Event types and dialects."),
    )
)]
struct About;

/// The document's head: title, description, tags.
pub(super) fn about() -> OpenApi {
    About::openapi()
}

/// Adds the security scheme, and to every operation the form of its ids and the refusals that it shares.
pub(super) fn complete(api: &mut OpenApi) {
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = api.components.get_or_insert_default();
    components.add_security_scheme(KEY, bearer);
    for (path, item) in &mut api.paths.paths {
        let has_id = path.contains('{');
        for operation in operations(item) {
            describe_ids(operation);
            add_refusals(operation, has_id);
        }
    }
}

/// Adds the header `Idempotency-Key` and its refusals to every POST operation. Operations that other roles serve
/// describe it themselves.
pub(super) fn describe_keys(api: &mut OpenApi) {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[!-~]+$"))
        .min_length(Some(1))
        .max_length(Some(255));
    let key = ParameterBuilder::new()
        .name(IDEMPOTENCY_KEY)
        .parameter_in(ParameterIn::Header)
        .schema(Some(key))
        .description(Some(
            "The same request with the same key is done once and, for a day, answered as it was the first time.",
        ))
        .build();
    for operation in api.paths.paths.values_mut().filter_map(|item| item.post.as_mut()) {
        operation.parameters.get_or_insert_default().push(key.clone().into());
        let refusals = [
            (
                "409",
                "The first request with this `Idempotency-Key` is still under way.",
            ),
            ("422", "The `Idempotency-Key` was used for another request."),
        ];
        for (status, description) in refusals {
            let responses = &mut operation.responses.responses;
            let refusal = || refusal(description).into();
            responses.entry(status.to_owned()).or_insert_with(refusal);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let operations = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
    ];
    operations.into_iter().filter_map(Option::as_mut)
}

/// Adds the pattern of ids, which follows from their parameter's name.
fn describe_ids(operation: &mut Operation) {
    const PREFIXES: [(&str, &str); 8] = [
        ("attempt_id", AttemptId::PREFIX),
        ("delivery_id", DeliveryId::PREFIX),
        ("endpoint_id", EndpointId::PREFIX),
        ("erasure_id", ErasureId::PREFIX),
        ("event_id", EventId::PREFIX),
        ("key_id", KeyId::PREFIX),
        ("replay_id", ReplayId::PREFIX),
        ("tenant_id", TenantId::PREFIX),
    ];
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else {
            continue;
        };
        let prefix = PREFIXES.iter().find(|(name, _)| *name == parameter.name);
        if let Some((_, prefix)) = prefix {
            let id = ObjectBuilder::new()
                .schema_type(Type::String)
                .pattern(Some(format!("^{prefix}[0-9a-f]{{32}}$")));
            parameter.schema = Some(id.into());
        }
    }
}

/// Adds the refusals that follow from an operation's input. Those of its own stand with its handler.
fn add_refusals(operation: &mut Operation, has_id: bool) {
    let has_body = operation.request_body.is_some();
    let takes_any = has_body || operation.parameters.as_ref().is_some_and(|them| !them.is_empty());
    let refusals = [
        (
            takes_any,
            "400",
            "What was sent is wrong in itself: `code` and `field` say what.",
        ),
        (true, "401", "There is no key, or none that works."),
        (true, "403", "The key lacks a scope, or is no operator's."),
        (
            has_id,
            "404",
            "There is no such thing, or it belongs to another tenant.",
        ),
        (has_body, "413", "The body is too large."),
        (has_body, "415", "The body is not JSON."),
        (true, "500", "A fault of the service."),
        (true, "503", "What is needed is away: try again."),
    ];
    for (_, status, description) in refusals.into_iter().filter(|(applies, ..)| *applies) {
        let responses = &mut operation.responses.responses;
        if !responses.contains_key(status) {
            responses.insert(status.to_owned(), refusal(description).into());
        }
    }
}

fn refusal(description: &str) -> Response {
    let schema = Ref::from_schema_name(Document::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build()
}
