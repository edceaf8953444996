//! A problem that is rendered once; each response only gets its ids filled in.

use std::{fmt, io::Write};

use axum::{body::Body, response::Response};
use http::{HeaderMap, response::Parts};
use service_kit::trace;

use super::{Problem, ProblemContext};

/// A rendered problem with the offsets of its ids.
#[derive(Debug)]
pub(crate) struct PrerenderedProblem {
    slug: &'static str,
    head: Parts,
    json: Vec<u8>,
    /// Offsets in `json`. All ids of a kind have the same length.
    request_ids: Vec<usize>,
    trace_ids: Vec<usize>,
}

impl PrerenderedProblem {
    /// Renders `problem`.
    pub(crate) fn new(problem: Problem, context: &ProblemContext) -> Self {
        let slug = problem.kind().slug;
        // The ids are random, so nothing else in the body equals them.
        let trace = trace::Context::from_headers(&HeaderMap::new());
        let (head, json) = problem.render(context, &trace).into_parts();
        let offsets = |id: String| {
            let text = str::from_utf8(&json).unwrap_or_default();
            text.match_indices(&id).map(|(offset, _)| offset).collect()
        };
        let request_ids = offsets(trace.request_id.to_string());
        let trace_ids = offsets(trace.trace.trace_id().to_string());
        Self { slug, head, json, request_ids, trace_ids }
    }

    /// The headers of every response.
    pub(crate) fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.head.headers
    }

    /// The response to the request of `trace`; counts the problem.
    pub(crate) fn respond(&self, context: &ProblemContext, trace: &trace::Context) -> Response {
        context.count(self.slug, self.head.status);
        let mut json = self.json.clone();
        let mut fill_in = |offsets: &[usize], id: &dyn fmt::Display| {
            for offset in offsets {
                // Cannot fail: an id of the same length is there.
                let _ = write!(&mut json[*offset..], "{id}");
            }
        };
        fill_in(&self.request_ids, &trace.request_id);
        fill_in(&self.trace_ids, &trace.trace.trace_id());
        Response::from_parts(self.head.clone(), Body::from(json))
    }
}
