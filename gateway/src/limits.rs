//! Every bound that the gateway keeps, in one place: a limit on everything that a stranger can make large,
//! many or slow.

use std::{ops::RangeInclusive, time::Duration};

/// Bytes of a request's body; a longer one is answered 413.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a request's body may take to arrive; a slower one is answered 408. The request's deadline ends
/// it earlier where that is nearer.
pub const BODY_READ_MAX: Duration = Duration::from_secs(5);
/// Bytes of a body nobody reads that are discarded before the answer is sent, so that a client that is
/// still sending gets to read it.
pub const DISCARD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long such discarding may take.
pub const DISCARD_MAX: Duration = Duration::from_secs(2);

/// The deadline of a request, counted from its arrival, where `REQUEST_TIMEOUT_MS` does not say otherwise.
pub const REQUEST_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// The values that `REQUEST_TIMEOUT_MS` may have. Below [`chassis::process::DRAIN_MAX`], so that a drain
/// outlasts every request.
pub const REQUEST_TIMEOUT_MS: RangeInclusive<u64> = 1..=30_000;

/// Connections that are open at once; the next waits in the listener's backlog.
pub const CONNECTIONS_MAX: usize = 8_192;
/// HTTP/2 streams that one connection may have open.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 256;
/// Bytes of a request's head: request line and all header fields. A longer one is refused by the HTTP
/// library, without a problem document.
pub const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// How long a request's head may take to arrive, and how long an HTTP/1.1 connection may be idle.
pub const HEAD_READ_MAX: Duration = Duration::from_secs(30);
/// How often an idle HTTP/2 peer is asked whether it is still there, and how long it may take to say so.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// See [`KEEPALIVE_INTERVAL`].
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connections go on being served after a stop was asked for, each answer saying
/// `Connection: close`. A client with an open connection sends its next request within this time and learns
/// to go elsewhere; one that is idle for longer than this has nothing in flight that closing could cut.
pub const DRAIN_LINGER: Duration = Duration::from_millis(250);

/// Items of one order.
pub const ITEMS: RangeInclusive<usize> = 1..=100;
/// Characters (Unicode scalar values) of a product code.
pub const PRODUCT_CODE_CHARS: RangeInclusive<usize> = 1..=100;
/// Pieces of one item.
pub const QUANTITY: RangeInclusive<i64> = 1..=1_000_000;
/// Ids of customers.
pub const USER_ID: RangeInclusive<i64> = 1..=i64::MAX;
/// Ids of orders: whole numbers that a JSON number holds exactly in every language (RFC 8259, section 6).
pub const ORDER_ID: RangeInclusive<i64> = 1..=(1 << 53) - 1;
/// Characters of an idempotency key, counted without quotes and escapes.
pub const KEY_CHARS: RangeInclusive<usize> = 1..=255;
/// Orders of one page: what is asked for where nothing is, and the most that is.
pub const PAGE_SIZE_DEFAULT: i32 = 50;
/// See [`PAGE_SIZE_DEFAULT`].
pub const PAGE_SIZE_MAX: i32 = 1_000;
/// Offending members that one problem names, so that 64 KiB of faults do not make an answer of megabytes.
pub const VIOLATIONS_MAX: usize = 1_000;
