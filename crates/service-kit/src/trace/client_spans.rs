//! Spans of calls that this process makes, by the semantic conventions of RPC: one per call, and in it one
//! per attempt, which is the parent of the server's span.

use std::sync::{Arc, Mutex, PoisonError};

use grpc_client::{CallObserver, Observer, OnAttemptEnd, code_name};
use http::HeaderMap;
use tonic::Code;

use super::{Span, SpanKind};

/// Records the calls of a channel as spans of the current request.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClientSpans;

impl Observer for ClientSpans {
    fn start_call(&self, target: &str, path: &str) -> Option<Arc<dyn CallObserver>> {
        let method = path.trim_start_matches('/');
        let mut span = Span::start(SpanKind::Client, method.to_owned());
        if !span.is_recording() {
            return None;
        }
        describe(&mut span, method);
        span.set("grpc.target", target.to_owned());
        Some(Arc::new(Call { method: method.to_owned(), state: Mutex::new(State { span, code: None }) }))
    }
}

struct Call {
    method: String,
    state: Mutex<State>,
}

struct State {
    span: Span,
    /// The status of the call so far.
    code: Option<Code>,
}

impl CallObserver for Call {
    fn start_attempt(&self, endpoint: &str, number: u32, headers: &mut HeaderMap) -> OnAttemptEnd {
        let mut span = self.state().span.child(SpanKind::Client, self.method.clone());
        if let Some(context) = span.context() {
            context.write_to(headers);
        }
        describe(&mut span, &self.method);
        if let Some((host, port)) = endpoint.rsplit_once(':') {
            span.set("server.address", host.to_owned());
            span.set("server.port", port.parse().unwrap_or(0_i64));
        }
        span.set("rpc.grpc.attempt", i64::from(number));
        Box::new(move |code| end(span, code))
    }

    fn set_status(&self, code: Code) {
        self.state().code = Some(code);
    }
}

impl Call {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let span = std::mem::take(&mut self.span);
        if let Some(code) = self.code {
            end(span, code);
        }
    }
}

fn describe(span: &mut Span, method: &str) {
    span.set("rpc.system.name", "grpc");
    span.set("rpc.method", method.to_owned());
}

fn end(mut span: Span, code: Code) {
    span.set("rpc.response.status_code", code_name(code));
    if code != Code::Ok {
        span.fail(code_name(code));
    }
    span.end();
}
