//! Renders a problem as an HTTP response.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use service_kit::trace;

use super::{Body, Parts, Problem, context, context::ProblemContext, pages};

/// RFC 9457, section 3.
pub const CONTENT_TYPE: &str = "application/problem+json";

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Every request has a trace context. A problem made outside of a request gets ids of its own.
        let trace = trace::current().unwrap_or_else(|| trace::Context::from_headers(&HeaderMap::new()));
        self.respond(&context::current(), &trace)
    }
}

impl Problem {
    /// The response to the request of `trace`; counts the problem.
    pub(crate) fn respond(self, context: &ProblemContext, trace: &trace::Context) -> Response {
        context.count(self.0.kind.slug, self.0.status);
        self.render(context, trace).map(Into::into)
    }

    /// The response; its body ends with a newline.
    pub(super) fn render(self, context: &ProblemContext, trace: &trace::Context) -> http::Response<Vec<u8>> {
        let Parts { kind, status, mut body, headers } = *self.0;
        body.set_request(kind.slug, context, trace);
        // Serialization cannot fail: the body holds texts, numbers and maps with text keys.
        let mut json = serde_json::to_vec(&body).unwrap_or_default();
        json.push(b'\n');
        let mut response = http::Response::new(json);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        response
    }
}

impl Body {
    /// Fills in the members that depend on the gateway and the request.
    pub(super) fn set_request(&mut self, slug: &str, context: &ProblemContext, trace: &trace::Context) {
        self.kind = context.url(&pages::path(slug));
        self.instance = format!("urn:uuid:{}", trace.request_id);
        self.request_id = trace.request_id.to_string();
        self.trace_id = trace.trace.trace_id().to_string();
    }
}
