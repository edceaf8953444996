//! What a trace is told of a call that was answered, by the semantic conventions of RPC.

use channel::code_name;
use http::Response;
use tonic::{Code, body::Body};

use super::slot::code_of;
use crate::trace::Span;

/// Ends the span of a call of `method`, which was answered with `response`.
pub(super) fn end(mut span: Span, method: &str, response: &Response<Body>) {
    if !span.is_recording() {
        return;
    }
    let code = code_of(response);
    span.set("rpc.system.name", "grpc");
    span.set("rpc.response.status_code", code_name(code));
    // Any path may be asked for, and may hold anything.
    if code == Code::Unimplemented {
        span.set("rpc.method", "_OTHER");
    } else {
        span.rename(method.to_owned());
        span.set("rpc.method", method.to_owned());
    }
    if is_error(code) {
        span.fail(code_name(code));
    }
    span.end();
}

/// Whether the conventions count a code as the server's error.
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
