//! From a problem to an HTTP answer: the members that only the request's context knows, and the bytes.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use service_kit::trace;

use super::{Body, Parts, Problem, context, context::ProblemContext, pages};

/// RFC 9457, section 3.
pub const CONTENT_TYPE: &str = "application/problem+json";

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Every request has a context; a problem made outside of one still names itself.
        let context = trace::current().unwrap_or_else(|| trace::Context::from_headers(&HeaderMap::new()));
        self.answer(&context::current(), &context)
    }
}

impl Problem {
    /// The answer to the request of `context`, counted.
    pub(crate) fn answer(self, site: &ProblemContext, context: &trace::Context) -> Response {
        site.count(self.0.kind.slug, self.0.status);
        self.rendered(site, context).map(Into::into)
    }

    /// The answer as it is sent.
    pub(super) fn rendered(self, site: &ProblemContext, context: &trace::Context) -> http::Response<Vec<u8>> {
        let Parts { kind, status, mut body, headers } = *self.0;
        body.place(kind.slug, site, context);
        // Texts, numbers and maps with text keys: there is nothing that JSON cannot hold.
        let mut response = http::Response::new(serde_json::to_vec(&body).unwrap_or_default());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        response
    }
}

impl Body {
    /// Fills in where and in which request the problem arose.
    pub(super) fn place(&mut self, slug: &str, site: &ProblemContext, context: &trace::Context) {
        self.kind = site.address(&pages::path(slug));
        self.instance = format!("urn:uuid:{}", context.request_id);
        self.request_id = context.request_id.to_string();
        self.trace_id = context.trace.trace_id().to_string();
    }
}
