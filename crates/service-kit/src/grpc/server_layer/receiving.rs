//! Calls whose request has not arrived as a whole: no handler runs yet.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body};

use super::Shared;

/// The body of a request in arrival. The generated code drops it before it runs the handler.
pub(super) struct Receiving {
    body: Body,
    shared: Arc<Shared>,
}

impl Receiving {
    /// `body`, counted until it is dropped.
    pub(super) fn track(shared: &Arc<Shared>, body: Body) -> Body {
        shared.receiving.fetch_add(1, Ordering::Relaxed);
        Body::new(Self { body, shared: shared.clone() })
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
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
