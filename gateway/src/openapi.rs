//! The OpenAPI document: what `/openapi.json` serves and `openapi/openapi.json` holds, made from the code's
//! own limits and registry.

use utoipa::openapi::{
    ComponentsBuilder, ExternalDocs, InfoBuilder, License, OpenApi, OpenApiBuilder, Server,
    path::PathsBuilder, tag::Tag,
};

mod examples;
mod headers;
mod operations;
mod problems;
mod samples;
mod schemas;
mod security;

const DESCRIPTION: &str = "Places orders, charges for them, and tells what became of them.\n\n\
    Input is strict: an unknown or duplicate member, a wrong type or a value out of range is refused before \
    anything is saved, and one answer names every offending member. Prices are exact decimals.\n\n\
    Every answer with a status from 400 is a problem (RFC 9457); its `type` leads to a page that says what to do. \
    An order that was answered with 504 or 503 can be sent again with the same `Idempotency-Key`: it is charged \
    once. Every answer has the header `X-Request-Id`.";

/// Tags of operations.
const ORDERS: &str = "Orders";
const OPERATION: &str = "Operation";
const DOCUMENTATION: &str = "Documentation";

/// The document as it is committed and served: indented, with a newline at its end.
pub fn document_json() -> String {
    // Nothing in the document is beyond JSON; an empty text would not equal the committed one.
    let mut text = document().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn document() -> OpenApi {
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    let info = InfoBuilder::new()
        .title("Orders")
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
    OpenApiBuilder::new()
        .info(info)
        .external_docs(Some(problem_types()))
        .servers(Some([server()]))
        .tags(Some(tags()))
        .paths(paths)
        .components(Some(components.build()))
        // Said in so many words: what names no requirement of its own needs no token.
        .security(Some([]))
        .build()
}

fn problem_types() -> ExternalDocs {
    let mut docs = ExternalDocs::new("/problems/");
    docs.description = Some("Every type of problem: what happened, what to do, an example".to_owned());
    docs
}

fn server() -> Server {
    let mut server = Server::new("/");
    server.description = Some("The gateway that serves this document".to_owned());
    server
}

fn tags() -> [Tag; 3] {
    let tag = |name, description: &str| {
        let mut tag = Tag::new(name);
        tag.description = Some(description.to_owned());
        tag
    };
    [
        tag(ORDERS, "Placing orders and reading them back."),
        tag(OPERATION, "For load balancers: whether to send requests here."),
        tag(DOCUMENTATION, "This document, and what each type of problem means."),
    ]
}

#[cfg(test)]
mod tests;
