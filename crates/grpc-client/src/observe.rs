//! Who watches calls from their beginning to their end: a trace, for instance.

use std::{fmt, sync::Arc};

use http::HeaderMap;
use tonic::Code;

/// Told of calls. Its methods are called by whoever makes the call, within its task, and must not block.
pub trait Observer: Send + Sync + 'static {
    /// A call of the method that `path` (`/service/method`) names begins. `None` where nobody cares for it.
    fn call(&self, target: &str, path: &str) -> Option<Arc<dyn ObservedCall>>;
}

/// Told of one call. It has ended when this and every attempt of it is dropped.
pub trait ObservedCall: Send + Sync + 'static {
    /// An attempt begins: the `number`th of the call, counted from 1. `headers` are what it will send.
    fn attempt(&self, endpoint: &str, number: u32, headers: &mut HeaderMap) -> ObservedAttempt;

    /// What the call came to, as far as is known now; told again where another attempt comes to something else.
    fn came_to(&self, code: Code);
}

/// Called once, with the code that an attempt ended with: `CANCELLED` where its caller left.
pub type ObservedAttempt = Box<dyn FnOnce(Code) + Send + Sync>;

/// One attempt, and the call that it is part of.
pub(crate) struct Watched {
    call: Arc<dyn ObservedCall>,
    attempt: ObservedAttempt,
}

impl Watched {
    pub(crate) fn begin(
        call: &Arc<dyn ObservedCall>,
        endpoint: &str,
        number: u32,
        headers: &mut HeaderMap,
    ) -> Self {
        Self { call: call.clone(), attempt: call.attempt(endpoint, number, headers) }
    }

    pub(crate) fn end(self, code: Code) {
        (self.attempt)(code);
        self.call.came_to(code);
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}
