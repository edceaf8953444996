//! Calls whose request has not arrived as a whole: no handler runs yet.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body};

use super::{Shared, messages::Messages};

/// The body of a request in arrival. The generated code drops it before it runs the handler.
pub(super) struct Receiving {
    messages: Messages,
    shared: Arc<Shared>,
}

impl Receiving {
    /// `messages`, counted until they are dropped.
    pub(super) fn track(shared: &Arc<Shared>, messages: Messages) -> Body {
        shared.receiving.fetch_add(1, Ordering::Relaxed);
        Body::new(Self { messages, shared: shared.clone() })
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.shared.receiving.fetch_sub(1, Ordering::Relaxed);
    }
}

impl http_body::Body for Receiving {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.messages).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.messages.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.messages.size_hint()
    }
}
