//! The handlers of `/orders`: translate JSON to the Order contract and back.
//!
//! The gateway makes no decisions about orders. It rejects requests that the contract cannot express; the
//! Order service decides everything else, and [`problem::from_status`] maps its failures.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, Request, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use grpc_client::Deadline;
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use proto::order::GetOrderRequest;
use serde::Serialize;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::{
    auth, body, conditional,
    header_names::IDEMPOTENT_REPLAYED,
    key, limits, negotiation,
    problem::{self, Problem, RequestFacts, Violation},
    state::AppState,
    timeout,
};

mod field_errors;
mod long_poll;
mod query;
mod request;
mod response;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `POST /orders`. [`admission`](crate::admission) determines the key and adds it to every response.
pub(crate) async fn create(
    State(state): State<Arc<AppState>>,
    Extension(key): Extension<key::EffectiveKey>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    check_accept(&parts.headers)?;
    if !negotiation::is_json(&parts.headers) {
        return Err(unsupported_body(&parts.headers));
    }
    let deadline = deadline(&parts)?;
    // Just before the content is processed (RFC 9110, section 13.2.2).
    if conditional::placing_fails(&parts.headers) {
        return Err(Problem::precondition_failed());
    }
    let body = body::read(body, deadline.0, &state.load_limits).await?;
    // Boxed, so that a request whose body is on its way holds no memory for the call.
    Box::pin(place(&state, key, &parts, &body, deadline)).await
}

/// Places the order in `body`.
async fn place(
    state: &AppState,
    key: key::EffectiveKey,
    parts: &Parts,
    body: &[u8],
    deadline: Deadline,
) -> Result<Response, Problem> {
    let headers = key.violation.into_iter().chain(timeout::violation(&parts.headers));
    let mut violations: Vec<Violation> = headers.chain(query::none(&parts.uri)).collect();
    let order = match request::parse(body, state.unit_price) {
        Ok(order) if violations.is_empty() => order,
        parsed => {
            violations.extend(parsed.err().unwrap_or_default());
            return Err(Problem::invalid(violations));
        }
    };

    if auth::user(&parts.extensions).is_some_and(|user| user != order.user_id) {
        return Err(other_user(Some("#/user_id")));
    }
    let mut facts = RequestFacts { write: true, shape: Some(order.shape()), ..facts(&parts.headers) };
    let call = call(order.to_proto(key.key.into_string()), deadline);
    let _permit = state.load_limits.try_acquire()?;
    let created = match state.orders.clone().create(call).await {
        Ok(created) => created.into_inner(),
        Err(status) => return Err(problem::from_status(&status, &facts)),
    };
    let placed = response::created(&order, &created).map_err(|invalid| {
        facts.order_id = Some(created.order_id).filter(|id| limits::ORDER_ID.contains(id));
        problem::from_status(&invalid.into(), &facts)
    })?;
    let (mut response, _) = json_response(StatusCode::CREATED, &placed);
    response.headers_mut().insert(header::LOCATION, state.location(placed.order_id));
    if created.replayed {
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// `GET /orders/{order_id}`.
pub(crate) async fn get(
    State(state): State<Arc<AppState>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    check_accept(&parts.headers)?;
    let order_id = check(&parts.headers, query::order_id(path, &parts.uri))?;
    let deadline = deadline(&parts)?;
    let user = auth::user(&parts.extensions);
    let facts = RequestFacts { order_id: Some(order_id), ..facts(&parts.headers) };
    let request = GetOrderRequest { order_id, user_id: user.unwrap_or_default() };
    let missing = || Problem::not_found("there is no such order").with_order_id(order_id);
    // A missing order and another user's order get the same response, whatever the Order service sent.
    let failed = |status: Status| match (user, status.code()) {
        (Some(_), Code::NotFound) => missing(),
        _ => problem::from_status(&status, &facts),
    };
    let (stored, waited) = long_poll::settled(&state, &parts.headers, request, deadline, failed).await?;
    if user.is_some_and(|user| user != stored.user_id) {
        // An Order service of the old contract does not check owners.
        return Err(missing());
    }
    let order = response::stored(order_id, &stored).map_err(|invalid| failed(invalid.into()))?;
    Ok(long_poll::order_response(&parts.headers, &order, waited))
}

/// `GET /orders`.
pub(crate) async fn list(State(state): State<Arc<AppState>>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    check_accept(&parts.headers)?;
    let user = auth::user(&parts.extensions);
    let query = check(&parts.headers, query::list(&parts.uri, user))?;
    if user.is_some_and(|user| user != query.user_id) {
        return Err(other_user(None));
    }
    let call = call(query, deadline(&parts)?);
    let facts = facts(&parts.headers);
    let failed = |status: Status| problem::from_status(&status, &facts);
    let _permit = state.load_limits.try_acquire()?;
    let listed = state.orders.clone().list(call).await.map_err(failed)?.into_inner();
    let page = response::page(&listed).map_err(|invalid| failed(invalid.into()))?;
    Ok(json_response(StatusCode::OK, &page).0)
}

/// 403: the request names another user than its token. `pointer` is that of the member, if it is in the body.
fn other_user(pointer: Option<&str>) -> Problem {
    let detail = "is not the user of the access token";
    Problem::permission_denied(Violation::new("user_id", pointer.map(str::to_owned), detail))
}

/// 415 for a body that is not plain JSON.
fn unsupported_body(headers: &HeaderMap) -> Problem {
    let problem = Problem::unsupported_media_type();
    if headers.contains_key(header::CONTENT_ENCODING) {
        // RFC 9110, section 15.5.16.
        let identity = HeaderValue::from_static("identity");
        let problem = problem.with_detail("The body of the request must have no Content-Encoding.");
        return problem.with_header(header::ACCEPT_ENCODING, identity);
    }
    problem
}

/// The facts of a read without a named order.
fn facts(headers: &HeaderMap) -> RequestFacts {
    RequestFacts { accept_language: headers.get(header::ACCEPT_LANGUAGE).cloned(), ..RequestFacts::default() }
}

fn check_accept(headers: &HeaderMap) -> Result<(), Problem> {
    if negotiation::accepts_json(headers) { Ok(()) } else { Err(Problem::not_acceptable()) }
}

/// `parameters`, or 400 with their violations and that of `Grpc-Timeout`.
fn check<T>(headers: &HeaderMap, parameters: Result<T, Vec<Violation>>) -> Result<T, Problem> {
    match (timeout::violation(headers), parameters) {
        (None, Ok(parameters)) => Ok(parameters),
        (header, parameters) => {
            Err(Problem::invalid(header.into_iter().chain(parameters.err().unwrap_or_default()).collect()))
        }
    }
}

/// The deadline of the request, an extension of every request; 503 if it has passed.
fn deadline(parts: &Parts) -> Result<Deadline, Problem> {
    let extension = parts.extensions.get().copied();
    let deadline = extension.unwrap_or_else(|| Deadline(Instant::now() + limits::REQUEST_TIMEOUT_DEFAULT));
    timeout::check(deadline).map(|()| deadline)
}

/// A gRPC request with the deadline and the trace context.
fn call<T>(message: T, deadline: Deadline) -> tonic::Request<T> {
    let mut call = tonic::Request::new(message);
    call.extensions_mut().insert(deadline);
    if let Some(context) = service_kit::trace::current() {
        context.write_to(call.metadata_mut().as_mut());
    }
    call
}

/// The response with `value` and a newline, and its body.
fn json_response(status: StatusCode, value: &impl Serialize) -> (Response, Bytes) {
    // Serialization cannot fail: the values are texts, whole numbers and decimals that Money wrote.
    let mut json = serde_json::to_vec(value).unwrap_or_default();
    json.push(b'\n');
    let bytes = Bytes::from(json);
    let mut response = (status, bytes.clone()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    (response, bytes)
}

/// The violations of a body.
#[cfg(fuzzing)]
pub(crate) fn read_body(body: &[u8]) -> Result<(), Vec<Violation>> {
    // `Optional` accepts every body that `Required` does.
    request::parse(body, crate::pricing::UnitPrice::Optional).map(drop)
}
