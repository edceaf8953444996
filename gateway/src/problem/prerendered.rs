//! A problem that many requests are answered with: rendered once, and for each only its ids.

use std::{fmt, io::Write};

use axum::{body::Body, response::Response};
use http::{HeaderMap, response::Parts};
use service_kit::trace;

use super::{Problem, ProblemContext};

/// One problem's answer to any request.
#[derive(Debug)]
pub(crate) struct PrerenderedProblem {
    slug: &'static str,
    head: Parts,
    json: Vec<u8>,
    /// Where in `json` the ids of a request stand; each is as long as any other.
    request_ids: Vec<usize>,
    trace_ids: Vec<usize>,
}

impl PrerenderedProblem {
    /// Renders `problem` as it arises at `site`.
    pub(crate) fn new(problem: Problem, site: &ProblemContext) -> Self {
        let slug = problem.kind().slug;
        // Its ids are random: where they stand, nothing else does.
        let context = trace::Context::from_headers(&HeaderMap::new());
        let (head, json) = problem.rendered(site, &context).into_parts();
        let places = |id: String| {
            let text = str::from_utf8(&json).unwrap_or_default();
            text.match_indices(&id).map(|(at, _)| at).collect()
        };
        let request_ids = places(context.request_id.to_string());
        let trace_ids = places(context.trace.trace_id().to_string());
        Self { slug, head, json, request_ids, trace_ids }
    }

    /// The headers of every answer.
    pub(crate) fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.head.headers
    }

    /// The answer to the request of `context`, counted.
    pub(crate) fn answer(&self, site: &ProblemContext, context: &trace::Context) -> Response {
        site.count(self.slug, self.head.status);
        let mut json = self.json.clone();
        let mut write = |places: &[usize], id: &dyn fmt::Display| {
            for at in places {
                // There is room: an id stood there.
                let _ = write!(&mut json[*at..], "{id}");
            }
        };
        write(&self.request_ids, &context.request_id);
        write(&self.trace_ids, &context.trace.trace_id());
        Response::from_parts(self.head.clone(), Body::from(json))
    }
}
