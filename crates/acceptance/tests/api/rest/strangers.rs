//! Every operation of the OpenAPI document, tried by those who may not: another tenant, a key with too small a scope, an
//! expired and a revoked key. The requests are made from the document, so that no operation is forgotten.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use tidings_acceptance::{Client, SOON, Standalone, Tenant, endpoint};
use tidings_domain::Timestamp;
use tidings_testkit::{Answer as Answered, Receiver, wait_until};

use super::{Answer, Caller};

/// A request that an operation describes.
#[derive(Debug, Clone)]
struct Attack {
    /// The operation, and where in it the id of somebody else's thing stands.
    name: String,
    method: String,
    path: String,
    body: Value,
}

/// What the document says, and the ids to put into requests.
struct Described {
    api: Value,
    ids: HashMap<&'static str, String>,
}

impl Described {
    /// Every operation but those whose answer never ends.
    fn operations(&self) -> impl Iterator<Item = (&String, &String, &Value)> {
        let paths = self.api["paths"].as_object().unwrap();
        paths.iter().flat_map(|(path, item)| {
            let ends = |operation: &Value| !operation["responses"]["200"]["content"]["text/event-stream"].is_object();
            let operations = item.as_object().unwrap().iter();
            operations
                .filter(move |(_, operation)| ends(operation))
                .map(move |(method, operation)| (path, method, operation))
        })
    }

    /// The path with the ids that it asks for.
    fn path(&self, path: &str) -> String {
        let mut filled = path.trim_start_matches("/api/v2").to_owned();
        while let Some((before, rest)) = filled.split_once('{') {
            let (name, after) = rest.split_once('}').unwrap();
            let id = match name {
                // The operators' catalogue is everybody's to read and nobody's but theirs to change.
                "name" => "feedback.created",
                name => self
                    .ids
                    .get(name)
                    .unwrap_or_else(|| panic!("no id for {name} in {path}")),
            };
            filled = format!("{before}{id}{after}");
        }
        filled
    }

    /// The schema that this one refers to.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(name) => &self.api["components"]["schemas"][name.rsplit('/').next().unwrap()],
            None => schema,
        }
    }

    /// A body with what the schema requires, and with its optional field `with`, if there is one of that name.
    fn body(&self, operation: &Value, with: Option<&str>) -> Value {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            return Value::Null;
        }
        self.sample("", self.fields(schema), with)
    }

    /// The object among the alternatives of a schema.
    fn fields<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let schema = self.resolved(schema);
        match schema["oneOf"].as_array() {
            Some(choices) => self.fields(choices.iter().find(|choice| choice["type"] != "null").unwrap()),
            None => schema,
        }
    }

    fn sample(&self, name: &str, schema: &Value, with: Option<&str>) -> Value {
        let schema = self.fields(schema);
        if let Some(id) = self.ids.get(name) {
            return json!(id);
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").cloned().unwrap_or_default(),
            kind => kind.clone(),
        };
        match kind.as_str().unwrap_or_default() {
            _ if !schema["example"].is_null() => schema["example"].clone(),
            _ if schema["enum"].is_array() => schema["enum"][0].clone(),
            "object" => {
                let required = schema["required"].as_array().cloned().unwrap_or_default();
                let wanted = |name: &String| required.iter().any(|it| it == name) || with == Some(name.as_str());
                let fields = schema["properties"].as_object().cloned().unwrap_or_default();
                let fields = fields.iter().filter(|(name, _)| wanted(name));
                Value::Object(
                    fields
                        .map(|(name, schema)| (name.clone(), self.sample(name, schema, None)))
                        .collect::<Map<_, _>>(),
                )
            }
            "array" => json!([self.sample(name, &schema["items"], None)]),
            "integer" | "number" => json!(schema["minimum"].as_i64().unwrap_or(1)),
            "boolean" => json!(true),
            "string" => match (name, schema["format"].as_str()) {
                (_, Some("date-time")) => json!("2026-01-07T15:30:00Z"),
                ("url", _) => json!("http://127.0.0.1:9/stolen"),
                ("pattern", _) => json!("*"),
                _ => json!("text"),
            },
            _ => json!({}),
        }
    }

    /// Requests with another's ids wherever an operation takes an id.
    fn attacks(&self) -> Vec<Attack> {
        let mut attacks = Vec::new();
        for (path, method, operation) in self.operations() {
            let plain = Attack {
                name: format!("{method} {path}"),
                method: method.to_uppercase(),
                path: self.path(path),
                body: self.body(operation, None),
            };
            if path.contains('{') {
                attacks.push(plain.clone());
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().unwrap();
                if let (Some(id), "query") = (self.ids.get(name), parameter["in"].as_str().unwrap()) {
                    attacks.push(Attack {
                        name: format!("{} with the query {name}", plain.name),
                        path: format!("{}?{name}={id}", plain.path),
                        ..plain.clone()
                    });
                }
            }
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let fields = self.fields(schema)["properties"].as_object();
            for name in fields
                .into_iter()
                .flat_map(Map::keys)
                .filter(|name| self.ids.contains_key(name.as_str()))
            {
                attacks.push(Attack {
                    name: format!("{} with {name}", plain.name),
                    body: self.body(operation, Some(name)),
                    ..plain.clone()
                });
            }
        }
        attacks
    }
}

/// A tenant with one of everything.
async fn one_of_everything(system: &Standalone, client: &Client, tenant: &Tenant) -> HashMap<&'static str, String> {
    let receiver = Receiver::start().await;
    receiver.answer_always(Answered::Status(500));
    let made = client.create_endpoint(endpoint(tenant, &receiver.url())).await;
    let event = client.publish(tenant, "feedback.created", json!({ "a": 1 })).await;
    let delivery = client.wait_for_state(&event, "scheduled").await.remove(0);
    wait_until(SOON, "the attempt to be on record", async || {
        !client.attempts_of(&event).await.is_empty()
    })
    .await;
    let attempt = client.attempts_of(&event).await.remove(0);
    let owner = Caller::new(system, &tenant.token);
    let id = |answer: Answer, status: u16| answer.is(status)["id"].as_str().unwrap().to_owned();
    let rows = json!({ "deliveries": { "states": ["succeeded"] } });
    let replay = id(owner.post("/replays", json!({ "rows": rows })).await, 201);
    let erasure = id(owner.post("/erasures", json!({ "event_id": event })).await, 202);
    let key = owner.get("/api-keys").await.is(200)["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    HashMap::from([
        ("tenant_id", tenant.id.clone()),
        ("endpoint_id", made.id),
        ("event_id", event),
        ("delivery_id", delivery.id),
        ("attempt_id", attempt.id),
        ("replay_id", replay),
        ("erasure_id", erasure),
        ("key_id", key),
        ("queue", "parked".to_owned()),
        ("message_id", "0".repeat(16)),
    ])
}

/// What a tenant has, as it sees it.
async fn possessions(owner: &Caller, ids: &HashMap<&'static str, String>) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in [
        "/endpoints".to_owned(),
        format!("/endpoints/{}/secret", ids["endpoint_id"]),
        "/api-keys".to_owned(),
        "/replays".to_owned(),
        "/erasures".to_owned(),
        format!("/tenants/{}", ids["tenant_id"]),
    ] {
        seen.push(owner.get(&path).await.is(200));
    }
    // Keys remember when they were used, replays get on.
    for value in &mut seen {
        for entry in value["data"].as_array_mut().into_iter().flatten() {
            for changing in ["last_used_at", "updated_at", "ended_at", "state", "walked"] {
                entry.as_object_mut().unwrap().remove(changing);
            }
        }
    }
    seen
}

async fn describe(system: &Standalone, ids: HashMap<&'static str, String>) -> Described {
    let api = Caller::new(system, "").get("/openapi.json").await.is(200);
    Described { api, ids }
}

#[tokio::test]
async fn what_is_anothers_does_not_exist_in_any_operation() {
    let system = Standalone::start().await;
    let client = &system.operator;
    let (owner, stranger) = (
        client.create_tenant("owner").await,
        client.create_tenant("stranger").await,
    );
    let ids = one_of_everything(&system, client, &owner).await;
    let described = describe(&system, ids.clone()).await;
    let before = possessions(&Caller::new(&system, &owner.token), &ids).await;
    let attacker = Caller::new(&system, &stranger.token);
    let attacks = described.attacks();
    assert!(attacks.len() > 30, "{}", attacks.len());
    let foreign: Vec<&String> = ids.values().filter(|id| id.contains('_')).collect();
    for attack in &attacks {
        let answer = attacker.send(&attack.method, &attack.path, attack.body.clone()).await;
        assert!(answer.status < 500, "{}: {answer:?}", attack.name);
        if (200..300).contains(&answer.status) {
            // Filters may name what does not exist: nothing is found. Payloads are checked by the catalogue, which is
            // everybody's.
            let is_reading = attack.method == "GET" || attack.path.ends_with("/check");
            assert!(is_reading, "{}: {answer:?}", attack.name);
            let text = answer.body.to_string();
            let shown = foreign.iter().find(|id| text.contains(id.as_str()));
            assert_eq!(shown, None, "{}: {text}", attack.name);
        } else {
            assert!(
                [400, 403, 404, 409, 412, 422].contains(&answer.status),
                "{}: {answer:?}",
                attack.name
            );
        }
    }
    for (path, method, operation) in described
        .operations()
        .filter(|(path, method, _)| *method == "get" && !path.contains('{'))
    {
        let answer = attacker.get(&described.path(path)).await;
        let text = answer.body.to_string();
        let shown = foreign.iter().find(|id| text.contains(id.as_str()));
        assert_eq!(shown, None, "{method} {path} ({}): {text}", operation["operationId"]);
    }
    let after = possessions(&Caller::new(&system, &owner.token), &ids).await;
    assert_eq!(before, after, "nothing of the owner's was touched");
}

#[tokio::test]
async fn every_operation_asks_for_a_scope_and_a_key_that_works() {
    let system = Standalone::start().await;
    let client = &system.operator;
    let tenant = client.create_tenant("scopes").await;
    let ids = one_of_everything(&system, client, &tenant).await;
    let described = describe(&system, ids).await;
    let owner = Caller::new(&system, &tenant.token);
    let made = async |asked: Value| owner.post("/api-keys", asked).await.is(201);
    let token = |made: &Value| made["token"].as_str().unwrap().to_owned();
    let publisher = made(json!({ "scopes": ["publish"] })).await;
    let revoked = made(json!({})).await;
    owner
        .delete(&format!("/api-keys/{}", revoked["key"]["id"].as_str().unwrap()))
        .await
        .is(204);
    let soon = Timestamp::now() + std::time::Duration::from_millis(1_500);
    let expired = made(json!({ "expires_at": soon.to_string() })).await;
    let expired = Caller::new(&system, &token(&expired));
    wait_until(SOON, "a key to expire", async || {
        expired.get("/endpoints").await.status == 401
    })
    .await;

    let publisher = Caller::new(&system, &token(&publisher));
    let revoked = Caller::new(&system, &token(&revoked));
    let unknown = Caller::new(&system, "tk_unknown");
    let mut tried = 0;
    for (path, method, operation) in described.operations() {
        let (name, method) = (format!("{method} {path}"), method.to_uppercase());
        let (path, body) = (described.path(path), described.body(operation, None));
        for (caller, code) in [
            (&revoked, "key_unknown"),
            (&expired, "key_expired"),
            (&unknown, "key_unknown"),
        ] {
            let answer = caller.send(&method, &path, body.clone()).await;
            assert_eq!(
                (answer.status, answer.body["code"].as_str()),
                (401, Some(code)),
                "{name}: {answer:?}"
            );
        }
        if path.starts_with("/events") && method == "POST" {
            continue;
        }
        if path == "/portal-links/exchange" {
            // Takes the token of a link instead of a key.
            continue;
        }
        let answer = publisher.send(&method, &path, body).await;
        assert!((400..500).contains(&answer.status), "{name}: {answer:?}");
        let code = answer.body["code"].as_str().unwrap();
        assert!(["scope_missing", "operator_only"].contains(&code), "{name}: {answer:?}");
        tried += 1;
    }
    assert!(tried > 30, "{tried}");
}
