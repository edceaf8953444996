//! Holds an answer against the OpenAPI document: its status must be documented for its route, its content
//! type for that status, and its body must validate against the schema. So must be the headers that every
//! answer promises.

use std::{collections::HashMap, sync::LazyLock, sync::Mutex};

use http::{Method, header};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::Answer;

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&gateway::openapi::document_json()).expect("the document is JSON"));

static VALIDATORS: LazyLock<Mutex<HashMap<String, &'static Validator>>> = LazyLock::new(Mutex::default);

/// Panics, saying what differs, where `answer` is none that the document promises.
pub(crate) fn check(method: &Method, path: &str, answer: &Answer) {
    let place = format!("{method} {path} -> {}", answer.status);
    headers(&place, method, path, answer);
    if method == Method::HEAD {
        return assert!(answer.body.is_empty(), "{place}: a body");
    }
    // What is asked of no documented operation is answered by a problem all the same.
    let Some(operation) = operation(method, path) else {
        return problem(&place, answer);
    };
    let status = answer.status.as_u16().to_string();
    let response = &DOCUMENT.pointer(&operation).expect("found before")["responses"][&status];
    assert!(response.is_object(), "{place}: the document does not list this status");
    let (response, at) = match response["$ref"].as_str() {
        Some(reference) => {
            let at = reference.trim_start_matches('#').to_owned();
            (DOCUMENT.pointer(&at).expect("a reference leads somewhere"), at)
        }
        None => (response, format!("{operation}/responses/{status}")),
    };
    let Some(contents) = response["content"].as_object() else {
        return assert!(answer.body.is_empty(), "{place}: a body where the document lists none");
    };
    let kind = answer.header(header::CONTENT_TYPE.as_str()).split(';').next().unwrap_or_default().trim();
    assert!(contents.contains_key(kind), "{place}: the document does not list {kind:?}");
    if kind.ends_with("json") {
        validate(&place, &format!("{at}/content/{}/schema", escape(kind)), &answer.json());
    }
}

/// Every answer has its request's id, and one about placing an order the idempotency key in effect.
fn headers(place: &str, method: &Method, path: &str, answer: &Answer) {
    let id = answer.header("x-request-id");
    assert!(id.parse::<uuid::Uuid>().is_ok(), "{place}: no request id but {id:?}");
    let placing = method == Method::POST && path.split('?').next() == Some("/orders");
    assert_eq!(placing, !answer.header("idempotency-key").is_empty(), "{place}: the idempotency key");
}

fn problem(place: &str, answer: &Answer) {
    if answer.status.is_client_error() || answer.status.is_server_error() {
        assert_eq!(answer.header("content-type"), "application/problem+json", "{place}");
        validate(place, "/components/schemas/Problem", &answer.json());
    }
}

fn validate(place: &str, schema: &str, body: &Value) {
    let faults: Vec<String> = validator(schema)
        .iter_errors(body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{place}: {body:#}\n{}", faults.join("\n"));
}

/// The validator of the schema at a pointer into the document; the rest of it is there for references.
fn validator(pointer: &str) -> &'static Validator {
    let mut validators = VALIDATORS.lock().expect("no panic while it is held");
    validators.entry(pointer.to_owned()).or_insert_with(|| {
        let mut root = DOCUMENT.clone();
        root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        root["$ref"] = json!(format!("#{}", pointer.replace('{', "%7B").replace('}', "%7D")));
        let options = jsonschema::options().should_validate_formats(true);
        Box::leak(Box::new(options.build(&root).expect("the document's schemas are schemas")))
    })
}

/// A pointer to the operation that `method` and `path` name.
fn operation(method: &Method, path: &str) -> Option<String> {
    let path = path.split('?').next().unwrap_or_default();
    let templates = DOCUMENT["paths"].as_object().expect("paths");
    let template = templates.keys().find(|template| matches(template, path))?;
    let pointer = format!("/paths/{}/{}", escape(template), method.as_str().to_lowercase());
    DOCUMENT.pointer(&pointer).is_some().then_some(pointer)
}

fn matches(template: &str, path: &str) -> bool {
    let (wanted, given): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    wanted.len() == given.len()
        && wanted
            .iter()
            .zip(given)
            .all(|(want, have)| want.starts_with('{') && !have.is_empty() || *want == have)
}

fn escape(member: &str) -> String {
    member.replace('~', "~0").replace('/', "~1")
}
