//! The beginning of an HTTP/2 connection: the client's preface and its SETTINGS (RFC 9113 §3.4).

use tokio::{io::AsyncRead, sync::oneshot};
use tokio_util::io::InspectReader;

use crate::accept::Opening;

/// Bytes of the fixed preface, `PRI * HTTP/2.0` to its last line break.
const FIXED_BYTES: usize = 24;
/// Bytes of the head of a frame; the first three are the length of its payload (RFC 9113 §4.1).
const FRAME_HEAD_BYTES: usize = 9;
const HEAD_BYTES: usize = FIXED_BYTES + FRAME_HEAD_BYTES;

/// A preface that has not arrived as a whole.
struct Preface {
    /// The fixed preface and the head of SETTINGS, as far as received.
    head: Vec<u8>,
    received: usize,
    complete: oneshot::Sender<()>,
    _opening: Opening,
}

/// `io`, whose reads are followed until the preface ends. Then `complete` is sent, and `opening` dropped.
pub(super) fn inspect<IO: AsyncRead>(
    io: IO,
    opening: Opening,
    complete: oneshot::Sender<()>,
) -> InspectReader<IO, impl FnMut(&[u8])> {
    let head = Vec::with_capacity(HEAD_BYTES);
    let mut preface = Some(Preface { head, received: 0, complete, _opening: opening });
    let receive = move |bytes: &[u8]| {
        if preface.as_mut().is_some_and(|preface| preface.is_complete_with(bytes))
            && let Some(Preface { complete, .. }) = preface.take()
        {
            // A connection that is closing no longer waits for its preface.
            let _ = complete.send(());
        }
    };
    InspectReader::new(io, receive)
}

impl Preface {
    /// Counts `bytes`. HTTP/2 itself rejects those that are no preface.
    fn is_complete_with(&mut self, bytes: &[u8]) -> bool {
        let missing = HEAD_BYTES - self.head.len();
        self.head.extend(bytes.iter().take(missing));
        self.received += bytes.len();
        let Some([high, middle, low, ..]) = self.head.get(FIXED_BYTES..HEAD_BYTES) else { return false };
        let settings_bytes = u32::from_be_bytes([0, *high, *middle, *low]);
        usize::try_from(settings_bytes).is_ok_and(|bytes| self.received - HEAD_BYTES >= bytes)
    }
}
