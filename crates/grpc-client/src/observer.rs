//! Hooks for tracing: notifications of calls and attempts.

use std::{fmt, sync::Arc};

use http::HeaderMap;
use tonic::Code;

/// Notified of every call of a channel. Its methods run within the task of the call and must not block.
///
/// Calls and attempts correspond to those of gRFC A72 (OpenTelemetry tracing): one span per call, one per
/// attempt.
pub trait Observer: Send + Sync + 'static {
    /// A call of the method `path` (`/service/method`) starts. `None` leaves the call unobserved.
    fn start_call(&self, target: &str, path: &str) -> Option<Arc<dyn CallObserver>>;
}

/// Notified of one call. The call has ended when this and every [`OnAttemptEnd`] of it are dropped.
pub trait CallObserver: Send + Sync + 'static {
    /// Attempt `number`, counted from 1, starts. `headers` are the request headers and may be changed.
    fn start_attempt(&self, endpoint: &str, number: u32, headers: &mut HeaderMap) -> OnAttemptEnd;

    /// Sets the status of the call as known so far. A later attempt may set another.
    fn set_status(&self, code: Code);
}

/// Called once with the code that an attempt ended with; `CANCELLED` if the client dropped the call.
pub type OnAttemptEnd = Box<dyn FnOnce(Code) + Send + Sync>;

/// The observer of one attempt and of its call.
pub(crate) struct AttemptObserver {
    call: Arc<dyn CallObserver>,
    on_end: OnAttemptEnd,
}

impl AttemptObserver {
    pub(crate) fn start(
        call: &Arc<dyn CallObserver>,
        endpoint: &str,
        number: u32,
        headers: &mut HeaderMap,
    ) -> Self {
        Self { call: call.clone(), on_end: call.start_attempt(endpoint, number, headers) }
    }

    pub(crate) fn finish(self, code: Code) {
        (self.on_end)(code);
        self.call.set_status(code);
    }
}

impl fmt::Debug for AttemptObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttemptObserver")
    }
}
