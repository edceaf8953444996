//! Validates a response against the OpenAPI document: its status must be documented for the route,
//! its content type for that status, and its body must match the schema. Checks the headers that
//! every response has.

use std::{collections::HashMap, sync::LazyLock, sync::Mutex};

use http::{Method, header};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::Response;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&gateway::openapi::document_json()).expect("the document is JSON"));

static VALIDATORS: LazyLock<Mutex<HashMap<String, &'static Validator>>> = LazyLock::new(Mutex::default);

/// Panics if `response` does not match the document.
pub(crate) fn check(method: &Method, path: &str, response: &Response) {
    let place = format!("{method} {path} -> {}", response.status);
    headers(&place, method, path, response);
    if method == Method::HEAD {
        return assert!(response.body.is_empty(), "{place}: a body");
    }
    // An undocumented path or method must still get a problem.
    let Some(operation) = operation(method, path) else {
        return problem(&place, response);
    };
    let status = response.status.as_u16().to_string();
    let documented = &DOCUMENT.pointer(&operation).expect("found before")["responses"][&status];
    assert!(documented.is_object(), "{place}: the document does not list this status");
    let (documented, at) = match documented["$ref"].as_str() {
        Some(reference) => {
            let at = reference.trim_start_matches('#').to_owned();
            (DOCUMENT.pointer(&at).expect("a reference leads somewhere"), at)
        }
        None => (documented, format!("{operation}/responses/{status}")),
    };
    let Some(contents) = documented["content"].as_object() else {
        return assert!(response.body.is_empty(), "{place}: a body where the document lists none");
    };
    let kind = response.header(header::CONTENT_TYPE.as_str()).split(';').next().unwrap_or_default().trim();
    assert!(contents.contains_key(kind), "{place}: the document does not list {kind:?}");
    if kind.ends_with("json") {
        validate(&place, &format!("{at}/content/{}/schema", escape(kind)), &response.json());
    }
}

/// Every response has a request id, and a response to `POST /orders` has the effective idempotency
/// key.
fn headers(place: &str, method: &Method, path: &str, response: &Response) {
    let id = response.header("x-request-id");
    assert!(id.parse::<uuid::Uuid>().is_ok(), "{place}: no request id but {id:?}");
    let placing = method == Method::POST && path.split('?').next() == Some("/orders");
    assert_eq!(placing, !response.header("idempotency-key").is_empty(), "{place}: the idempotency key");
}

fn problem(place: &str, response: &Response) {
    if response.status.is_client_error() || response.status.is_server_error() {
        assert_eq!(response.header("content-type"), "application/problem+json", "{place}");
        validate(place, "/components/schemas/Problem", &response.json());
    }
}

fn validate(place: &str, schema: &str, body: &Value) {
    let errors: Vec<String> = validator(schema)
        .iter_errors(body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{place}: {body:#}\n{}", errors.join("\n"));
}

/// The validator for the schema at a JSON pointer into the document.
fn validator(pointer: &str) -> &'static Validator {
    let mut validators = VALIDATORS.lock().expect("the lock is not poisoned");
    validators.entry(pointer.to_owned()).or_insert_with(|| {
        let mut root = DOCUMENT.clone();
        root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        root["$ref"] = json!(format!("#{}", pointer.replace('{', "%7B").replace('}', "%7D")));
        let options = jsonschema::options().should_validate_formats(true);
        Box::leak(Box::new(options.build(&root).expect("the document's schemas are schemas")))
    })
}

/// A JSON pointer to the operation of `method` and `path`.
fn operation(method: &Method, path: &str) -> Option<String> {
    let path = path.split('?').next().unwrap_or_default();
    let templates = DOCUMENT["paths"].as_object().expect("paths");
    let template = templates.keys().find(|template| matches(template, path))?;
    let pointer = format!("/paths/{}/{}", escape(template), method.as_str().to_lowercase());
    DOCUMENT.pointer(&pointer).is_some().then_some(pointer)
}

fn matches(template: &str, path: &str) -> bool {
    let (template, segments): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == segments.len()
        && template
            .iter()
            .zip(segments)
            .all(|(part, segment)| part.starts_with('{') && !segment.is_empty() || *part == segment)
}

fn escape(member: &str) -> String {
    member.replace('~', "~0").replace('/', "~1")
}
