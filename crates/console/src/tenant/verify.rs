//! `/webhooks/endpoints/{id}/verify`: code by which the endpoint's receiver verifies its requests.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::form::Fields;
use crate::shapes::{Dialect, Endpoint, List, TestPreview};
use crate::verify::recipe::Recipe;
use crate::verify::snippets::{Snippet, snippets};
use crate::visitor::Visitor;

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage<'a> {
    v: &'a Visitor,
    endpoint: &'a Endpoint,
    recipe: Recipe,
    snippets: Vec<Snippet>,
    /// The language that is wanted.
    chosen: &'a str,
    /// A signed sample, for who may have one.
    sample: Option<TestPreview>,
}

impl VerifyPage<'_> {
    /// True if the code of this language is unfolded.
    fn is_chosen(&self, snippet: &Snippet) -> bool {
        match self.snippets.iter().any(|snippet| snippet.id == self.chosen) {
            true => snippet.id == self.chosen,
            false => snippet.id == "node",
        }
    }
}

pub(crate) async fn show(visitor: Visitor, Path(id): Path<String>, fields: Fields) -> Result<Response, Response> {
    let endpoint: Endpoint = visitor.get(format!("/endpoints/{id}")).await?;
    let dialects: List<Dialect> = visitor.get("/dialects").await?;
    let dialect = dialects.data.iter().find(|dialect| dialect.name == endpoint.dialect);
    let recipe = dialect.map_or(Recipe::Unknown, |dialect| {
        Recipe::of(dialect, endpoint.public_key.is_some())
    });
    let page = VerifyPage {
        v: &visitor,
        endpoint: &endpoint,
        snippets: snippets(&recipe),
        recipe,
        chosen: fields.text("language"),
        sample: sample(&visitor, &id).await,
    };
    Ok(visitor.page(StatusCode::OK, &page))
}

/// A request that a receiver can be tried with from anywhere.
async fn sample(visitor: &Visitor, id: &str) -> Option<TestPreview> {
    if !visitor.may_manage() {
        return None;
    }
    let path = format!("/endpoints/{id}/preview");
    visitor.send(Method::POST, path, &Value::Null).await.ok()
}
