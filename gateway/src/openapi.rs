//! The OpenAPI document, which `/openapi.json` serves and `openapi/openapi.json` holds. Its limits and
//! problem types are those of the code.

use serde_json::{Map, Value};
use utoipa::openapi::{
    ComponentsBuilder, ContactBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, Server,
    path::PathsBuilder, tag::Tag,
};

use crate::{
    limits, paths,
    problem::{CONTENT_TYPE, pages::API_NAME, registry},
};

mod examples;
mod headers;
mod operations;
mod problems;
mod samples;
mod schemas;
mod security;

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

/// The description of the whole API.
fn description() -> String {
    let (default, max) = (limits::REQUEST_TIMEOUT_DEFAULT.as_secs(), limits::REQUEST_TIMEOUT_MS.end() / 1000);
    format!(
        "Places orders, charges customers and returns the state of orders.\n\n\
         **Requests** are strict: an unknown or duplicate member, a wrong type or a value out of range is \
         rejected before anything is saved. The response names the invalid members.\n\n\
         **Responses** may get further members in later versions; ignore those that you do not know. Every \
         response has the header `X-Request-Id`.\n\n\
         **Amounts** are exact decimals. A response has each amount twice: as a number (`total_price`, \
         `unit_price`) and as a string with the same digits (`total_price_text`, `unit_price_text`). The \
         strings are always there, not on request by a parameter of `Accept`, so that every generated \
         client has them as members. A request has `unit_price` as a number or as a string; use the string \
         if the client would round the number.\n\n\
         **Time**: the gateway responds within {default} seconds, unless its operator configured another \
         `REQUEST_TIMEOUT_MS` (at most {max} seconds) or the request has a shorter `Grpc-Timeout`. Use a \
         timeout of more than {max} seconds in the client.\n\n\
         **No response**: after a lost connection, a timeout of the client, a 503 or a 504, send the same \
         request with the same `Idempotency-Key`. The order is charged at most once, and the response is \
         that of the first request once it is known. `Retry-After` has the seconds to wait: a 504 always \
         has it. Keys are kept for ever: one key stays one order.\n\n\
         **Problems**: every response with a status of 400 or above is a problem (RFC 9457) of one of these \
         [problem types](problems/). The member `type` is relative to the address of this API \
         (`/problems/...`), unless the operator configured a `PUBLIC_URL`, which then precedes it. Compare \
         its last segment, or `reason` and `code`."
    )
}

fn document() -> OpenApi {
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    let contact = ContactBuilder::new().name(Some("The operator of this gateway")).build();
    let info = InfoBuilder::new()
        .title(API_NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description()))
        .contact(Some(contact))
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
    // The folder of the document, also below a path prefix (OpenAPI 3.1, section 4.8.5). Without a slash at
    // its end, since tools append the paths.
    let mut server = Server::new(".");
    server.description = Some("The gateway that serves this document".to_owned());
    OpenApiBuilder::new()
        .info(info)
        // No externalDocs: its URL would have to be absolute, and only the operator knows the address.
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
