//! The operations: every route that a program may use.

use http::StatusCode;
use utoipa::openapi::{
    Content, ContentBuilder, HttpMethod, ObjectBuilder, PathItem, Ref, Required, Response, ResponseBuilder,
    Type,
    example::ExampleBuilder,
    link::Link,
    path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
};

use super::{
    DOCUMENTATION, OPERATION, ORDERS, examples, headers, headers::Named, problems, samples, schemas, security,
};
use crate::{
    auth::{SCOPE_READ, SCOPE_WRITE},
    key, limits, paths,
    problem::registry,
    timeout,
};

const REQUEST_ID_PARAMETER: &str = "XRequestId";
const TIMEOUT_PARAMETER: &str = "GrpcTimeout";
const IF_NONE_MATCH_PARAMETER: &str = "IfNoneMatch";
const PREFER_PARAMETER: &str = "Prefer";
const JSON: &str = "application/json";

/// Headers of every answer about orders.
const OF_ORDERS: [Named; 3] = [headers::REQUEST_ID, headers::RATE_LIMIT_POLICY, headers::RATE_LIMIT];

/// Every path with its operations.
pub(super) fn all() -> Vec<(&'static str, PathItem)> {
    let get = |operation: OperationBuilder| PathItem::new(HttpMethod::Get, operation);
    let mut orders = get(list_orders());
    orders.merge_operations(PathItem::new(HttpMethod::Post, place_order()));
    vec![
        ("/orders", orders),
        ("/orders/{order_id}", get(read_order())),
        ("/livez", get(livez())),
        ("/readyz", get(readyz())),
        (paths::OPENAPI_DOCUMENT, get(document())),
        ("/problems/{slug}", get(problem_page())),
    ]
}

/// Parameters that several operations share.
pub(super) fn parameters() -> Vec<(&'static str, Parameter)> {
    let request_id = parameter(ParameterIn::Header, headers::REQUEST_ID.name, Required::False, text())
        .description(Some(
            "An id to find this request by in logs. A UUID is kept; anything else is replaced.",
        ));
    let timeout = text().pattern(Some(timeout::PATTERN));
    let timeout = parameter(ParameterIn::Header, "Grpc-Timeout", Required::False, timeout).description(Some(
        "How long the client waits for the answer: 1 to 8 digits and a unit, H, M, S, m (milliseconds), u or n. It \
         lowers the gateway's own deadline and never raises it. An order that is given too little is not started.",
    ));
    let known = parameter(ParameterIn::Header, "If-None-Match", Required::False, text()).description(Some(
        "The ETag of an earlier answer, or a comma list of such: 304 says that it still holds.",
    ));
    let prefer = parameter(ParameterIn::Header, "Prefer", Required::False, text()).description(Some(
        "wait=5 (RFC 7240): an order that is PENDING is answered when it settles, or after 5 seconds as it is then; \
         at the latest shortly before the request's deadline. Preference-Applied says that this was heeded.",
    ));
    vec![
        (REQUEST_ID_PARAMETER, request_id.build()),
        (TIMEOUT_PARAMETER, timeout.build()),
        (IF_NONE_MATCH_PARAMETER, known.build()),
        (PREFER_PARAMETER, prefer.build()),
    ]
}

fn place_order() -> OperationBuilder {
    let key = parameter(ParameterIn::Header, headers::IDEMPOTENCY_KEY.name, Required::False, text().pattern(Some(key::PATTERN)))
        .description(Some(
            "1 to 255 visible ASCII characters, bare or as a quoted string; \"k\" and k are one key. Requests of one \
             customer with the same key are one order. Where it is missing one is made.",
        ));
    let named = |summary: &str, value| ExampleBuilder::new().summary(summary).value(Some(value));
    let body =
        ContentBuilder::new().schema(Some(schemas::reference(schemas::NEW_ORDER))).examples_from_iter([
            ("dollars", named("One item, in US dollars", examples::new_order())),
            ("yen", named("Two items, in yen, with prices as strings", examples::new_order_in_yen())),
        ]);
    let created = json("The order was placed and charged.", schemas::ORDER, examples::paid_order());
    let created_headers =
        [&OF_ORDERS[..], &[headers::LOCATION, headers::IDEMPOTENCY_KEY, headers::IDEMPOTENT_REPLAYED]]
            .concat();
    let operation = operation(ORDERS, "placeOrder", "Place an order")
        .security(security::needs(SCOPE_WRITE))
        .description(Some(samples::described(
            "Saves the order, charges the customer, and answers when both are done. The gateway refuses what is \
             wrong with the request itself; whether the customer can be charged is for the services to say.",
            samples::PLACE,
        )))
        .extensions(Some(samples::extension(samples::PLACE)))
        .parameter(key)
        .parameter_ref(grpc_timeout())
        .parameter_ref(request_id())
        .request_body(Some(
            RequestBodyBuilder::new()
                .description(Some("At most 64 KiB of JSON in UTF-8."))
                .content(JSON, body.build())
                .required(Some(Required::True))
                .build(),
        ))
        .response("201", with_headers(created, &created_headers).link("read", read_link()));
    with_problems(operation, &problems::of_writes())
}

fn list_orders() -> OperationBuilder {
    let size = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .default(Some(limits::PAGE_SIZE_DEFAULT.into()));
    let page = json("A page of orders, newest first.", schemas::ORDER_PAGE, examples::page());
    let operation = operation(ORDERS, "listOrders", "List a customer's orders")
        .security(security::needs(SCOPE_READ))
        .description(Some(samples::described(
            "Newest first. A page may hold fewer orders than were asked for and not be the last.",
            samples::LIST,
        )))
        .extensions(Some(samples::extension(samples::LIST)))
        .parameter(
            parameter(ParameterIn::Query, "user_id", Required::False, schemas::user_id()).description(Some(
                "Whose orders: those of the access token's user, where it is absent; no other's are listed. Required \
                 of a gateway that asks for no token.",
            )),
        )
        .parameter(parameter(ParameterIn::Query, "page_size", Required::False, size).description(Some(
            format!(
                "At most this many orders; 0 means {}, above {} means {}.",
                limits::PAGE_SIZE_DEFAULT,
                limits::PAGE_SIZE_MAX,
                limits::PAGE_SIZE_MAX
            ),
        )))
        .parameter(
            parameter(ParameterIn::Query, "page_token", Required::False, text())
                .description(Some("next_page_token of the page before; empty or absent for the first page.")),
        )
        .parameter_ref(grpc_timeout())
        .parameter_ref(request_id())
        .response("200", with_headers(page, &OF_ORDERS).link("next", next_link()));
    with_problems(operation, &problems::of_reads())
}

fn read_order() -> OperationBuilder {
    let order = json("The order.", schemas::ORDER, examples::declined_order());
    let operation = operation(ORDERS, "readOrder", "Read an order")
        .security(security::needs(SCOPE_READ))
        .description(Some(samples::described(
            "Says how the order stands now. PAID, DECLINED and VOIDED are final: then there is an ETag, by which a \
             caller learns that what it has still holds.",
            samples::READ,
        )))
        .extensions(Some(samples::extension(samples::READ)))
        .parameter(
            parameter(ParameterIn::Path, "order_id", Required::True, schemas::order_id())
                .description(Some("Which order; Location of the answer that placed it ends with it.")),
        )
        .parameter_ref(grpc_timeout())
        .parameter_ref(request_id())
        .parameter_ref(shared(IF_NONE_MATCH_PARAMETER))
        .parameter_ref(shared(PREFER_PARAMETER))
        .response("200", with_headers(order, &OF_READ_ORDERS))
        .response("304", with_headers(not_modified(), &OF_READ_ORDERS));
    with_problems(operation, &problems::of_reads())
}

const OF_READ_ORDERS: [Named; 5] = [
    headers::REQUEST_ID,
    headers::RATE_LIMIT_POLICY,
    headers::RATE_LIMIT,
    headers::ETAG,
    headers::PREFERENCE_APPLIED,
];

fn not_modified() -> Response {
    ResponseBuilder::new().description("What the caller has, by its If-None-Match, still holds.").build()
}

/// From an order that was placed to reading it.
fn read_link() -> Link {
    Link::builder()
        .operation_id("readOrder")
        .parameter("order_id", "$response.body#/order_id")
        .description("How the order stands later.")
        .build()
}

/// From a page to the next.
fn next_link() -> Link {
    Link::builder()
        .operation_id("listOrders")
        .parameter("user_id", "$request.query.user_id")
        .parameter("page_token", "$response.body#/next_page_token")
        .description("The next page, as long as next_page_token is not empty.")
        .build()
}

fn livez() -> OperationBuilder {
    let operation = operation(OPERATION, "livez", "Whether the gateway runs")
        .response("200", plain("It runs.", "text/plain"));
    with_problems(operation, &OF_PAGES)
}

fn readyz() -> OperationBuilder {
    let operation = operation(OPERATION, "readyz", "Whether the gateway takes requests")
        .response("200", plain("It takes requests.", "text/plain"));
    with_problems(operation, &[&OF_PAGES[..], &[StatusCode::SERVICE_UNAVAILABLE]].concat())
}

fn document() -> OperationBuilder {
    let content = Content::new(Some(ObjectBuilder::new().schema_type(Type::Object)));
    let document = ResponseBuilder::new().description("OpenAPI 3.1.").content(JSON, content).build();
    let tagged = [headers::REQUEST_ID, headers::ETAG];
    let operation = operation(DOCUMENTATION, "openapi", "This document")
        .parameter_ref(shared(IF_NONE_MATCH_PARAMETER))
        .response("200", with_headers(document, &tagged))
        .response("304", with_headers(not_modified(), &tagged));
    with_problems(operation, &OF_PAGES)
}

fn problem_page() -> OperationBuilder {
    let slugs = registry::TYPES.iter().map(|kind| kind.slug);
    let operation = operation(DOCUMENTATION, "problemType", "What a type of problem means")
        .parameter(
            parameter(ParameterIn::Path, "slug", Required::True, text().enum_values(Some(slugs)))
                .description(Some("The last segment of the problem's type.")),
        )
        .response("200", plain("A page for people.", "text/html"));
    with_problems(operation, &[&[StatusCode::NOT_FOUND], &OF_PAGES[..]].concat())
}

/// What an address that takes no input may be answered with.
const OF_PAGES: [StatusCode; 2] = [StatusCode::METHOD_NOT_ALLOWED, StatusCode::INTERNAL_SERVER_ERROR];

fn operation(tag: &str, id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new().tag(tag).operation_id(Some(id)).summary(Some(summary))
}

fn parameter(place: ParameterIn, name: &str, required: Required, schema: ObjectBuilder) -> ParameterBuilder {
    ParameterBuilder::new().name(name).parameter_in(place).required(required).schema(Some(schema))
}

fn request_id() -> Ref {
    shared(REQUEST_ID_PARAMETER)
}

/// A reference to one of [`parameters`].
fn shared(component: &str) -> Ref {
    Ref::new(format!("#/components/parameters/{component}"))
}

fn grpc_timeout() -> Ref {
    shared(TIMEOUT_PARAMETER)
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn json(description: &str, schema: &str, example: serde_json::Value) -> Response {
    let content =
        ContentBuilder::new().schema(Some(schemas::reference(schema))).example(Some(example)).build();
    ResponseBuilder::new().description(description).content(JSON, content).build()
}

fn plain(description: &str, media_type: &str) -> Response {
    let text = ResponseBuilder::new()
        .description(description)
        .content(media_type, Content::new(Some(text())))
        .build();
    with_headers(text, &[headers::REQUEST_ID]).build()
}

fn with_headers(response: Response, headers: &[Named]) -> ResponseBuilder {
    headers
        .iter()
        .fold(response.into(), |response: ResponseBuilder, h| response.header_ref(h.name, h.reference()))
}

fn with_problems(operation: OperationBuilder, statuses: &[StatusCode]) -> OperationBuilder {
    statuses.iter().fold(operation, |operation, status| {
        operation.response(status.as_str(), problems::reference(*status))
    })
}
