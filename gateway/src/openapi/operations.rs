//! The operations: every route for programs.

use http::StatusCode;
use utoipa::openapi::{
    Content, ContentBuilder, HttpMethod, KnownFormat, ObjectBuilder, PathItem, Ref, Required, Response,
    ResponseBuilder, SchemaFormat, Type,
    example::ExampleBuilder,
    link::Link,
    path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
};

use super::{
    DOCUMENTATION_TAG, OPERATION_TAG, ORDERS_TAG, examples, headers, problems, samples, schemas, security,
};
use crate::{
    auth::{SCOPE_READ, SCOPE_WRITE},
    key, limits, paths,
    problem::registry,
    timeout,
};

const REQUEST_ID_PARAMETER: &str = "XRequestIdParameter";
const TIMEOUT_PARAMETER: &str = "GrpcTimeoutParameter";
const IF_MATCH_PARAMETER: &str = "IfMatchParameter";
const IF_NONE_MATCH_PARAMETER: &str = "IfNoneMatchParameter";
const PREFER_PARAMETER: &str = "PreferParameter";
const JSON: &str = "application/json";

/// Headers of every response about orders.
const ORDER_HEADERS: [&str; 3] = [headers::REQUEST_ID, headers::RATE_LIMIT_POLICY, headers::RATE_LIMIT];

/// All paths with their operations.
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

/// The parameters that several operations share.
pub(super) fn parameters() -> Vec<(&'static str, Parameter)> {
    let request_id = parameter(ParameterIn::Header, headers::REQUEST_ID, Required::False, text())
        .description(Some("An id of this request for logs. A value that is not a UUID is replaced."));
    let timeout = text().pattern(Some(timeout::PATTERN));
    let timeout = parameter(ParameterIn::Header, "Grpc-Timeout", Required::False, timeout).description(Some(
        "How long the client waits for the response: 1 to 8 digits and a unit, H, M, S, m (milliseconds), u \
         or n. It can only shorten the gateway's deadline. An order with too short a time is not started.",
    ));
    let if_match = parameter(ParameterIn::Header, "If-Match", Required::False, text()).description(Some(
        "Only * holds, since If-Match compares strongly (RFC 9110) and the entity tags of this API are weak. \
         Any other value is a 412, and the request has no effect.",
    ));
    let if_none_match = parameter(ParameterIn::Header, "If-None-Match", Required::False, text());
    let if_none_match = if_none_match.description(Some(
        "The ETag of an earlier response, or a comma-separated list: the response is 304 while one of them \
         is current.",
    ));
    let prefer = parameter(ParameterIn::Header, "Prefer", Required::False, text()).description(Some(
        "wait=5 (RFC 7240): for a PENDING order, the response waits until the order settles, for at most 5 \
         seconds and until shortly before the request's deadline. Preference-Applied confirms it.",
    ));
    vec![
        (REQUEST_ID_PARAMETER, request_id.build()),
        (TIMEOUT_PARAMETER, timeout.build()),
        (IF_MATCH_PARAMETER, if_match.build()),
        (IF_NONE_MATCH_PARAMETER, if_none_match.build()),
        (PREFER_PARAMETER, prefer.build()),
    ]
}

/// The description of `placeOrder`, with the outcomes in short.
const PLACE_ORDER: &str = "Saves the order, charges the customer and responds when both are done. An \
    invalid request is rejected before anything is saved.\n\n\
    Generate the `Idempotency-Key` before the first attempt. If no response arrives at all, send the same \
    request with the same key: the order is charged at most once.\n\n\
    | status | charged | what to do |\n\
    |---|---|---|\n\
    | 201 | yes | done |\n\
    | 402 | no | resolve the cause, then order with a new key |\n\
    | 409 | not known yet | wait for `Retry-After`, repeat with the same key |\n\
    | 410 | no | order with a new key |\n\
    | 422 | not by this request | use a new key for another order |\n\
    | 503 `NOT_CHARGED` | no, unless repeated | wait for `Retry-After`, repeat with the same key, or \
    abandon it |\n\
    | 503, 429 `NOT_STARTED` | not by this request | wait for `Retry-After`, repeat with the same key |\n\
    | 500 `NOT_STORED` | no | report it; repeating does not help |\n\
    | 504 `OUTCOME_UNKNOWN` | not known yet | wait for `Retry-After`, repeat with the same key, or read the \
    order by `order_id` |\n\
    | any other 5xx | not known | repeat with the same key and growing pauses |\n\
    | 408 | not by this request | repeat with the same key |\n\
    | any other 4xx | not by this request | correct the request |";

fn place_order() -> OperationBuilder {
    let key = parameter(
        ParameterIn::Header,
        headers::IDEMPOTENCY_KEY,
        Required::False,
        text().pattern(Some(key::PATTERN)),
    )
    .description(Some(
        "1 to 255 visible ASCII characters, bare or as a quoted string; \"k\" and k are one key. \
             Requests of one customer with the same key are one order, for ever: keys do not expire. Without \
             a key, the gateway generates one.",
    ));
    let named = |summary: &str, value| ExampleBuilder::new().summary(summary).value(Some(value));
    let body =
        ContentBuilder::new().schema(Some(schemas::reference(schemas::ORDER_DRAFT))).examples_from_iter([
            ("dollars", named("One item, in US dollars", examples::order_draft())),
            ("yen", named("Two items, in yen, with prices as strings", examples::order_draft_in_yen())),
        ]);
    let created = json("The order was placed and charged.", schemas::ORDER, examples::paid_order());
    let created_headers =
        [&ORDER_HEADERS[..], &[headers::LOCATION, headers::IDEMPOTENCY_KEY, headers::IDEMPOTENT_REPLAYED]]
            .concat();
    let operation = operation(ORDERS_TAG, "placeOrder", "Place an order")
        .security(security::needs(SCOPE_WRITE))
        .description(Some(samples::description(PLACE_ORDER, samples::PLACE)))
        .extensions(Some(samples::extension(samples::PLACE)))
        .parameter(key)
        .parameter_ref(shared(IF_MATCH_PARAMETER))
        .parameter_ref(shared(TIMEOUT_PARAMETER))
        .parameter_ref(shared(REQUEST_ID_PARAMETER))
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
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
        .minimum(Some(0))
        .default(Some(limits::PAGE_SIZE_DEFAULT.into()));
    let page = json("A page of orders, newest first.", schemas::ORDER_PAGE, examples::page());
    let operation = operation(ORDERS_TAG, "listOrders", "List a customer's orders")
        .security(security::needs(SCOPE_READ))
        .description(Some(samples::description(
            "Newest first. A page may have fewer orders than page_size without being the last one.",
            samples::LIST,
        )))
        .extensions(Some(samples::extension(samples::LIST)))
        .parameter(
            parameter(ParameterIn::Query, "user_id", Required::False, schemas::user_id())
                .example(Some(123.into()))
                .description(Some(
                    "The customer. Defaults to the user of the access token, and must be this user. Required \
                     by a gateway without tokens.",
                )),
        )
        .parameter(parameter(ParameterIn::Query, "page_size", Required::False, size).description(Some(
            format!(
                "The maximum number of orders; 0 means {}, above {} means {}.",
                limits::PAGE_SIZE_DEFAULT,
                limits::PAGE_SIZE_MAX,
                limits::PAGE_SIZE_MAX
            ),
        )))
        .parameter(parameter(ParameterIn::Query, "page_token", Required::False, text()).description(Some(
            "The next_page_token of the previous page; empty or absent for the first \
                    page.",
        )))
        .parameter_ref(shared(TIMEOUT_PARAMETER))
        .parameter_ref(shared(REQUEST_ID_PARAMETER))
        .parameter_ref(shared(IF_MATCH_PARAMETER))
        .response("200", with_headers(page, &ORDER_HEADERS).link("next", next_link()));
    with_problems(operation, &problems::of_reads())
}

fn read_order() -> OperationBuilder {
    let order = json("The order.", schemas::ORDER, examples::declined_order());
    let operation = operation(ORDERS_TAG, "readOrder", "Read an order")
        .security(security::needs(SCOPE_READ))
        .description(Some(samples::description(
            "The current state of the order. PAID, DECLINED and VOIDED are final; the response then has an \
             ETag for conditional requests.",
            samples::READ,
        )))
        .extensions(Some(samples::extension(samples::READ)))
        .parameter(
            parameter(ParameterIn::Path, "order_id", Required::True, schemas::order_id())
                .description(Some("The id of the order, the last segment of its Location.")),
        )
        .parameter_ref(shared(TIMEOUT_PARAMETER))
        .parameter_ref(shared(REQUEST_ID_PARAMETER))
        .parameter_ref(shared(IF_MATCH_PARAMETER))
        .parameter_ref(shared(IF_NONE_MATCH_PARAMETER))
        .parameter_ref(shared(PREFER_PARAMETER))
        .response("200", with_headers(order, &READ_ORDER_HEADERS))
        .response("304", with_headers(not_modified(), &READ_ORDER_HEADERS));
    with_problems(operation, &problems::of_reads())
}

const READ_ORDER_HEADERS: [&str; 5] = [
    headers::REQUEST_ID,
    headers::RATE_LIMIT_POLICY,
    headers::RATE_LIMIT,
    headers::ETAG,
    headers::PREFERENCE_APPLIED,
];

fn not_modified() -> Response {
    ResponseBuilder::new().description("The response that If-None-Match names is current.").build()
}

/// From a placed order to reading it.
fn read_link() -> Link {
    Link::builder()
        .operation_id("readOrder")
        .parameter("order_id", "$response.body#/order_id")
        .description("The later state of the order.")
        .build()
}

/// From a page to the next.
fn next_link() -> Link {
    Link::builder()
        .operation_id("listOrders")
        .parameter("user_id", "$request.query.user_id")
        .parameter("page_token", "$response.body#/next_page_token")
        .description("The next page, if next_page_token is not empty.")
        .build()
}

fn livez() -> OperationBuilder {
    let operation = operation(OPERATION_TAG, "livez", "Liveness of the gateway")
        .description(Some("200 as long as the process runs. A supervisor restarts the gateway without it."))
        .response("200", plain("The gateway runs.", "text/plain"));
    with_problems(operation, &PAGE_PROBLEMS)
}

fn readyz() -> OperationBuilder {
    let operation = operation(OPERATION_TAG, "readyz", "Readiness of the gateway")
        .description(Some(
            "503 while the gateway starts, has not read the issuer's keys yet, or shuts down. A load balancer \
             then sends requests to another one.",
        ))
        .response("200", plain("The gateway accepts requests.", "text/plain"));
    with_problems(operation, &PAGE_PROBLEMS)
}

fn document() -> OperationBuilder {
    let content = Content::new(Some(ObjectBuilder::new().schema_type(Type::Object)));
    let document = ResponseBuilder::new().description("OpenAPI 3.1.").content(JSON, content).build();
    let tagged = [headers::REQUEST_ID, headers::ETAG];
    let operation = operation(DOCUMENTATION_TAG, "openapi", "This document")
        .description(Some("The document changes with a release only; its ETag shows whether it has."))
        .parameter_ref(shared(IF_MATCH_PARAMETER))
        .parameter_ref(shared(IF_NONE_MATCH_PARAMETER))
        .response("200", with_headers(document, &tagged))
        .response("304", with_headers(not_modified(), &tagged));
    with_problems(operation, &PAGE_PROBLEMS)
}

fn problem_page() -> OperationBuilder {
    let slugs = registry::TYPES.iter().map(|kind| kind.slug);
    let operation = operation(DOCUMENTATION_TAG, "problemType", "The page of a problem type")
        .description(Some(
            "What the problem type means, what to do, and an example. `type` of a problem names it.",
        ))
        .parameter(
            parameter(ParameterIn::Path, "slug", Required::True, text().enum_values(Some(slugs)))
                .description(Some("The last segment of the problem's type.")),
        )
        .response("200", plain("An HTML page.", "text/html"));
    with_problems(operation, &[&[StatusCode::NOT_FOUND], &PAGE_PROBLEMS[..]].concat())
}

/// The problem statuses of every operation: of the request's head, of an overload and of a failure.
const PAGE_PROBLEMS: [StatusCode; 7] = [
    StatusCode::BAD_REQUEST,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::PRECONDITION_FAILED,
    StatusCode::URI_TOO_LONG,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::NOT_IMPLEMENTED,
    StatusCode::SERVICE_UNAVAILABLE,
];

fn operation(tag: &str, id: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new().tag(tag).operation_id(Some(id)).summary(Some(summary))
}

fn parameter(place: ParameterIn, name: &str, required: Required, schema: ObjectBuilder) -> ParameterBuilder {
    ParameterBuilder::new().name(name).parameter_in(place).required(required).schema(Some(schema))
}

/// A reference to one of [`parameters`].
fn shared(component: &str) -> Ref {
    Ref::new(format!("#/components/parameters/{component}"))
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

fn with_headers(response: Response, headers: &[&str]) -> ResponseBuilder {
    headers
        .iter()
        .fold(response.into(), |response: ResponseBuilder, h| response.header_ref(*h, headers::reference(h)))
}

fn with_problems(operation: OperationBuilder, statuses: &[StatusCode]) -> OperationBuilder {
    statuses.iter().fold(operation, |operation, status| {
        operation.response(status.as_str(), problems::reference(*status))
    })
}
