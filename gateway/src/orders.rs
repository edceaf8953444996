//! `/orders`: JSON in, the Order contract out, and back.
//!
//! The gateway decides nothing about orders. What it refuses is what the contract cannot mean; all else is
//! for the Order service to say, and [`problem::from_status`] to tell.

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
    auth, body,
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

/// `POST /orders`, with the idempotency key that every answer to it has ([`admission`](crate::admission)).
pub(crate) async fn create(
    State(shared): State<Arc<AppState>>,
    Extension(key): Extension<key::EffectiveKey>,
    request: Request,
) -> Result<Response, Problem> {
    place(&shared, request, key).await
}

/// `GET /orders/{order_id}`.
pub(crate) async fn get(
    State(shared): State<Arc<AppState>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    check_accept(&parts.headers)?;
    let order_id = read(&parts.headers, query::order_id(path, &parts.uri))?;
    let deadline = deadline(&parts)?;
    let user = auth::user(&parts.extensions);
    let asked = RequestFacts { order_id: Some(order_id), ..asked(&parts.headers) };
    let request = GetOrderRequest { order_id, user_id: user.unwrap_or_default() };
    let missing = || Problem::not_found("there is no such order").with_order_id(order_id);
    // Whatever the Order service says of one that is missing, it is what is said here of another user's.
    let failed = |status: Status| match (user, status.code()) {
        (Some(_), Code::NotFound) => missing(),
        _ => problem::from_status(&status, &asked),
    };
    let (answer, waited) = long_poll::settled(&shared, &parts.headers, request, deadline, failed).await?;
    if user.is_some_and(|user| user != answer.user_id) {
        // An Order service of the old contract does not know of owners.
        return Err(missing());
    }
    let order = response::stored(order_id, &answer).map_err(|nonsense| failed(nonsense.into()))?;
    Ok(long_poll::told(&parts.headers, &order, waited))
}

/// `GET /orders`.
pub(crate) async fn list(State(shared): State<Arc<AppState>>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    check_accept(&parts.headers)?;
    let user = auth::user(&parts.extensions);
    let query = read(&parts.headers, query::list(&parts.uri, user))?;
    if user.is_some_and(|user| user != query.user_id) {
        return Err(another_user(None));
    }
    let call = call(query, deadline(&parts)?);
    let asked = asked(&parts.headers);
    let failed = |status: Status| problem::from_status(&status, &asked);
    let _permit = shared.load_limits.try_acquire()?;
    let answer = shared.orders.clone().list(call).await.map_err(failed)?.into_inner();
    let page = response::page(&answer).map_err(|nonsense| failed(nonsense.into()))?;
    Ok(json(StatusCode::OK, &page).0)
}

async fn place(shared: &AppState, request: Request, key: key::EffectiveKey) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    check_accept(&parts.headers)?;
    if !negotiation::is_json(&parts.headers) {
        return Err(unreadable(&parts.headers));
    }
    let deadline = deadline(&parts)?;
    let body = body::read(body, deadline.0, &shared.load_limits).await?;
    let headers = key.violation.into_iter().chain(timeout::violation(&parts.headers));
    let mut violations: Vec<Violation> = headers.chain(query::none(&parts.uri)).collect();
    let order = match request::read(&body, shared.unit_price) {
        Ok(order) if violations.is_empty() => order,
        read => {
            violations.extend(read.err().unwrap_or_default());
            return Err(Problem::invalid(violations));
        }
    };

    if auth::user(&parts.extensions).is_some_and(|user| user != order.user_id) {
        return Err(another_user(Some("#/user_id")));
    }
    let mut asked = RequestFacts { write: true, shape: Some(order.shape()), ..asked(&parts.headers) };
    let call = call(order.to_proto(key.key.into_text()), deadline);
    let _permit = shared.load_limits.try_acquire()?;
    let answer = match shared.orders.clone().create(call).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return Err(problem::from_status(&status, &asked)),
    };
    let placed = response::created(&order, &answer).map_err(|nonsense| {
        asked.order_id = Some(answer.order_id).filter(|id| limits::ORDER_ID.contains(id));
        problem::from_status(&nonsense.into(), &asked)
    })?;
    let (mut response, _) = json(StatusCode::CREATED, &placed);
    response.headers_mut().insert(header::LOCATION, shared.location(placed.order_id));
    if answer.replayed {
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// What is named as the user's is not; `pointer` leads to where the body says so.
fn another_user(pointer: Option<&str>) -> Problem {
    let detail = "is not the user of the access token".to_owned();
    Problem::permission_denied(field_errors::violation(
        "user_id".to_owned(),
        pointer.map(str::to_owned),
        detail,
    ))
}

/// What is wrong with a body that is not plain JSON.
fn unreadable(headers: &HeaderMap) -> Problem {
    let problem = Problem::unsupported_media_type();
    if headers.contains_key(header::CONTENT_ENCODING) {
        // RFC 9110, section 15.5.16.
        let plain = HeaderValue::from_static("identity");
        let problem = problem.with_detail("The body of the request must have no Content-Encoding.");
        return problem.with_header(header::ACCEPT_ENCODING, plain);
    }
    problem
}

/// What the headers of a request say of how a failure is to be told.
fn asked(headers: &HeaderMap) -> RequestFacts {
    RequestFacts { accept_language: headers.get(header::ACCEPT_LANGUAGE).cloned(), ..RequestFacts::default() }
}

fn check_accept(headers: &HeaderMap) -> Result<(), Problem> {
    if negotiation::accepts_json(headers) { Ok(()) } else { Err(Problem::not_acceptable()) }
}

/// `asked`, if there is nothing wrong with it nor with the headers of a request to read.
fn read<T>(headers: &HeaderMap, asked: Result<T, Vec<Violation>>) -> Result<T, Problem> {
    match (timeout::violation(headers), asked) {
        (None, Ok(asked)) => Ok(asked),
        (header, asked) => {
            Err(Problem::invalid(header.into_iter().chain(asked.err().unwrap_or_default()).collect()))
        }
    }
}

/// When the request must be answered, which every request is given on its way in; or that it is too late for that.
fn deadline(parts: &Parts) -> Result<Deadline, Problem> {
    let given = parts.extensions.get().copied();
    let deadline = given.unwrap_or_else(|| Deadline(Instant::now() + limits::REQUEST_TIMEOUT_DEFAULT));
    timeout::check(deadline).map(|()| deadline)
}

/// A call that ends by the deadline and carries the request's context on.
fn call<T>(message: T, deadline: Deadline) -> tonic::Request<T> {
    let mut call = tonic::Request::new(message);
    call.extensions_mut().insert(deadline);
    if let Some(context) = service_kit::trace::current() {
        context.write_to(call.metadata_mut().as_mut());
    }
    call
}

/// The answer with `value`, and its body.
fn json(status: StatusCode, value: &impl Serialize) -> (Response, Bytes) {
    // Texts, whole numbers and decimals that Money wrote: there is nothing that JSON cannot hold.
    let bytes = Bytes::from(serde_json::to_vec(value).unwrap_or_default());
    let mut response = (status, bytes.clone()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    (response, bytes)
}

/// What is wrong with a body.
#[cfg(fuzzing)]
pub(crate) fn read_body(body: &[u8]) -> Result<(), Vec<Violation>> {
    // What is read where each price is named, and more.
    request::read(body, crate::pricing::UnitPrice::Optional).map(drop)
}
