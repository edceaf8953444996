//! The OpenAPI document, which `/openapi.json` serves and `openapi/openapi.json` holds. Its limits and
//! problem types are those of the code.

use serde_json::{Map, Value};
use utoipa::openapi::{
    ComponentsBuilder, ExternalDocs, InfoBuilder, License, OpenApi, OpenApiBuilder, Server,
    path::PathsBuilder, tag::Tag,
};

use crate::{
    paths,
    problem::{CONTENT_TYPE, pages::API_NAME, registry},
};

mod examples;
mod headers;
mod operations;
mod problems;
mod samples;
mod schemas;
mod security;

const DESCRIPTION: &str = "Places orders, charges customers and returns the state of orders.\n\n\
    Input is strict: a request with an unknown or duplicate member, a wrong type or a value out of range is rejected \
    before anything is saved. The response names every invalid member. Prices are exact decimals.\n\n\
    Every response with a status of 400 or above is a problem (RFC 9457): see the [problem types](/problems/). After a \
    503, a 504 or no response at all, repeat the request with the same `Idempotency-Key`: the order is charged at most \
    once. Every response has the header `X-Request-Id`.";

const ORDERS_TAG: &str = "Orders";
const OPERATION_TAG: &str = "Operation";
const DOCUMENTATION_TAG: &str = "Documentation";

/// The document, indented and with a newline at its end.
pub fn document_json() -> String {
    let mut document = serde_json::to_value(document()).unwrap_or_default();
    sort(&mut document);
    // Serialization cannot fail. An empty text would not equal the committed document.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn document() -> OpenApi {
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    let info = InfoBuilder::new()
        .title(API_NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(license))
        .build();
    let paths =
        operations::all().into_iter().fold(PathsBuilder::new(), |paths, (path, item)| paths.path(path, item));
    let components =
        ComponentsBuilder::new().schemas_from_iter(schemas::all()).responses_from_iter(problems::responses());
    let components =
        headers::all().into_iter().fold(components, |all, (name, header)| all.header(name, header));
    let (name, scheme) = security::scheme();
    let components = components.security_scheme(name, scheme);
    let components = operations::parameters().into_iter().fold(components, |all, (n, p)| all.parameter(n, p));
    let mut problem_types = ExternalDocs::new("/problems/");
    problem_types.description = Some("All problem types: what happened, what to do, an example".to_owned());
    let mut server = Server::new("/");
    server.description = Some("The gateway that serves this document".to_owned());
    OpenApiBuilder::new()
        .info(info)
        .external_docs(Some(problem_types))
        .servers(Some([server]))
        .tags(Some(tags()))
        .paths(paths)
        .components(Some(components.build()))
        // Operations without a requirement of their own need no token.
        .security(Some([]))
        .build()
}

fn tags() -> [Tag; 3] {
    let tag = |name, description: &str| {
        let mut tag = Tag::new(name);
        tag.description = Some(description.to_owned());
        tag
    };
    [
        tag(ORDERS_TAG, "Place orders and read them."),
        tag(OPERATION_TAG, "Health checks for load balancers."),
        tag(DOCUMENTATION_TAG, "This document and the problem types."),
    ]
}

/// Puts placing an order first, and the examples of each problem response in the order of the registry, which
/// starts with the most common type. utoipa sorts both by name.
fn sort(document: &mut Value) {
    if let Some(orders) = document["paths"][paths::ORDERS].as_object_mut() {
        sort_members(orders, |method| usize::from(method != "post"));
    }
    let responses = document["components"]["responses"].as_object_mut();
    for response in responses.into_iter().flat_map(Map::values_mut) {
        if let Some(examples) = response["content"][CONTENT_TYPE]["examples"].as_object_mut() {
            sort_members(examples, |slug| registry::TYPES.iter().position(|kind| kind.slug == slug));
        }
    }
}

fn sort_members<K: Ord>(object: &mut Map<String, Value>, key: impl Fn(&str) -> K) {
    let mut members: Vec<_> = std::mem::take(object).into_iter().collect();
    members.sort_by_key(|(name, _)| key(name));
    object.extend(members);
}

#[cfg(test)]
mod tests;
