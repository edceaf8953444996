//! The record of one call: its metrics and its span, by the semantic conventions of RPC.

use grpc_client::code_name;
use http::Response;
use tokio::time::Instant;
use tonic::{Code, body::Body};

use super::slot::{Slot, code_of};
use crate::trace::Span;

/// A call from its arrival to its response. A client that disconnects drops it earlier.
pub(super) struct CallRecord {
    pub(super) slot: Slot,
    pub(super) span: Span,
    /// Without the leading slash.
    pub(super) method: String,
    pub(super) started: Instant,
    /// The status that is recorded on drop.
    pub(super) code: Code,
}

impl CallRecord {
    /// Ends the call with `response`.
    pub(super) fn end(mut self, response: &Response<Body>) {
        self.code = code_of(response);
    }

    fn end_span(&mut self) {
        let mut span = std::mem::take(&mut self.span);
        if !span.is_recording() {
            return;
        }
        span.set("rpc.system.name", "grpc");
        span.set("rpc.response.status_code", code_name(self.code));
        // A client may send any path, with any content.
        if self.code == Code::Unimplemented {
            span.set("rpc.method", "_OTHER");
        } else {
            span.rename(self.method.clone());
            span.set("rpc.method", self.method.clone());
        }
        if is_error(self.code) {
            span.fail(code_name(self.code));
        }
        span.end();
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        self.end_span();
        self.slot.count(std::mem::take(&mut self.method), self.code, self.started);
    }
}

/// Whether the conventions count a code as an error of the server.
fn is_error(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}
