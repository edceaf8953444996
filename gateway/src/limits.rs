//! Every bound that the gateway keeps, in one place: a limit on everything that a stranger can make large,
//! many or slow.

use std::{ops::RangeInclusive, time::Duration};

/// Bytes of a request's body; a longer one is answered 413.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of all the bodies that are on their way at once; a request whose body would be more is answered 503.
pub const BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;
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
/// The values that `REQUEST_TIMEOUT_MS` may have. Below [`service_kit::process::DRAIN_MAX`], so that a drain
/// outlasts every request.
pub const REQUEST_TIMEOUT_MS: RangeInclusive<u64> = 1..=30_000;

/// Requests to `/orders` that are with the Order service at once, where `REQUESTS_IN_FLIGHT_MAX` does not say
/// otherwise; the next is answered 503 on the spot. A request whose body is still on its way is none of them.
pub const REQUESTS_IN_FLIGHT_DEFAULT: usize = 128;
/// The values that `REQUESTS_IN_FLIGHT_MAX` may have.
pub const REQUESTS_IN_FLIGHT_MAX: RangeInclusive<usize> = 1..=65_536;
/// Requests that a rate limit may allow within its window.
pub const RATE_REQUESTS: RangeInclusive<u32> = 1..=1_000_000;
/// Seconds that the window of a rate limit may have.
pub const RATE_SECONDS: RangeInclusive<u32> = 1..=86_400;
/// Subjects, and addresses, whose requests are counted at once; of more, those who have not asked for the longest
/// are forgotten. About 100 bytes each.
pub const RATE_KEYS_MAX: usize = 65_536;
/// Leading bits of an IPv6 address that tell its clients apart: whoever has one address has the 2^64 of its network
/// (RFC 4291, section 2.5.4; RFC 6177).
pub const IPV6_PREFIX_BITS: u8 = 64;
/// Access tokens that were found good and are kept as such, by their digests; of more, those that were not seen for the
/// longest are checked anew. With [`TOKEN_KEPT_BYTES_MAX`] 32 MiB at the very most.
pub const TOKENS_KEPT_MAX: usize = 8_192;
/// Bytes of a token that is kept; a longer one is checked each time.
pub const TOKEN_KEPT_BYTES_MAX: usize = 4_096;
/// Networks that `TRUSTED_PROXIES` may name.
pub const TRUSTED_PROXIES_MAX: usize = 1_000;

/// ConnectionMetrics that are open at once; the next waits in the listener's backlog.
pub const CONNECTIONS_MAX: usize = 8_192;
/// ConnectionMetrics of one address (IPv6: of one /64) that are open at once, where `CONNECTIONS_PER_ADDRESS_MAX` does not say
/// otherwise; the next is closed. Trusted proxies may have any number.
pub const CONNECTIONS_PER_ADDRESS_DEFAULT: usize = 1_024;
/// The values that `CONNECTIONS_PER_ADDRESS_MAX` may have.
pub const CONNECTIONS_PER_ADDRESS_MAX: RangeInclusive<usize> = 1..=CONNECTIONS_MAX;
/// How long a client may take to make its connection secure.
pub const HANDSHAKE_MAX: Duration = service_kit::grpc::HANDSHAKE_MAX;
/// HTTP/2 streams that one connection may have open.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 256;
/// Bytes that one HTTP/2 stream may send ahead of being read: as much as a body may be long.
pub const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// Bytes that all streams of one HTTP/2 connection may send ahead of being read.
pub const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// HTTP/2 streams that a client has reset before they were taken up; one more closes the connection
/// (CVE-2023-44487).
pub const PENDING_RESETS_MAX: usize = 20;
/// HTTP/2 streams that this side has reset for the client's errors; one more closes the connection (CVE-2025-8671).
pub const ERROR_RESETS_MAX: usize = 256;
/// Requests that the client of one connection may give up before their answers, over as many as it has let be
/// answered; one more closes the connection.
pub const ABANDONED_MAX: u64 = 256;
/// Bytes of an answer that are handed to a connection at once, so that what its client does not read is noticed, and
/// costs no more.
pub const ANSWER_CHUNK_BYTES: usize = 16 * 1024;
/// How long the client of one connection may take to read an answer, from its head to its last byte; the connection of
/// a slower one is closed.
pub const ANSWER_READ_MAX: Duration = Duration::from_secs(60);
/// How long a connection may have no request; then it is closed. HTTP/1.1 has [`HEAD_READ_MAX`].
pub const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(120);
/// How often connections are looked at for the two bounds above.
pub const CONNECTION_LOOK_INTERVAL: Duration = Duration::from_secs(5);
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

/// Bytes of an answer from which on it is compressed: a shorter one fits a packet as it is.
pub const COMPRESSED_BYTES_MIN: u64 = 1024;
/// How long a browser may rely on the answer to a preflight; Chromium takes no more.
pub const PREFLIGHT_AGE_MAX: Duration = Duration::from_secs(7_200);
/// Callers at once that wait for an order to settle (`Prefer: wait`); each asks Order once a second.
pub const WAITING_MAX: usize = 256;
/// How long before the deadline of its request such waiting ends, so that there is time to say so.
pub const WAIT_MARGIN: Duration = Duration::from_millis(500);
/// The first pause between two looks at such an order; each is twice the one before.
pub const WAIT_PAUSE_MIN: Duration = Duration::from_millis(250);
/// The longest such pause.
pub const WAIT_PAUSE_MAX: Duration = Duration::from_secs(1);

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

/// Bytes of an access token; a longer one is refused unread.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Seconds that clocks may differ by, as `AUTH_LEEWAY_SECONDS` gives them.
pub const LEEWAY_SECONDS: RangeInclusive<u64> = 0..=60;
/// The seconds where it does not.
pub const LEEWAY_SECONDS_DEFAULT: u64 = 30;
/// Bytes of a secret for HS256: no fewer than its hash has (RFC 7518, section 3.2), and no more than anyone needs.
pub const SECRET_BYTES: RangeInclusive<usize> = 32..=1_024;
/// Bytes of a key set (JWKS).
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;
/// Keys of a set that are used; a token without a key id is held against each of its algorithm.
pub const KEYS_MAX: usize = 32;
/// How long reading a key set may take, from dialling to its last byte.
pub const KEY_SET_READ_MAX: Duration = Duration::from_secs(5);
/// How often a key set is read again from a URL, and from a file.
pub const KEY_SET_URL_INTERVAL: Duration = Duration::from_secs(300);
/// See [`KEY_SET_URL_INTERVAL`].
pub const KEY_SET_FILE_INTERVAL: Duration = Duration::from_secs(5);
/// How often tokens of unknown keys, which cost their sender nothing, have it read earlier than that: from a URL, and
/// from a file.
pub const KEY_SET_URL_FORCED_INTERVAL: Duration = Duration::from_secs(10);
/// See [`KEY_SET_URL_FORCED_INTERVAL`].
pub const KEY_SET_FILE_FORCED_INTERVAL: Duration = Duration::from_secs(1);
/// How soon a key set that could not be read is asked for again: at first, and at last.
pub const KEY_SET_RETRY: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(10);
