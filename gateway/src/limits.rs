//! Every bound of the gateway: on the size, the number and the duration of everything that a client controls.

use std::{ops::RangeInclusive, time::Duration};

/// Bytes of a request target, that is of path and query; a longer one is rejected with 414. RFC 9110, section
/// 4.1, recommends at least 8,000.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a request body; a longer one is rejected with 413.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of all request bodies in memory; a request beyond that is rejected with 503.
pub const BODIES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a request body may take to arrive; a slower one is rejected with 408. An earlier deadline of the
/// request ends the wait as well.
pub const BODY_READ_MAX: Duration = Duration::from_secs(5);
/// Bytes of an unread HTTP/1 body that are discarded after the response, so that a client that is still
/// sending receives the response.
pub const DISCARD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long that may take.
pub const DISCARD_MAX: Duration = Duration::from_secs(2);

/// Deadline of a request, counted from its arrival; default of `REQUEST_TIMEOUT_MS`.
pub const REQUEST_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// Accepted values of `REQUEST_TIMEOUT_MS`. Less than [`service_kit::process::DRAIN_MAX`], so that a graceful
/// shutdown outlasts every request.
pub const REQUEST_TIMEOUT_MS: RangeInclusive<u64> = 1..=30_000;

/// Concurrent calls of Order; default of `REQUESTS_IN_FLIGHT_MAX`. A further request to `/orders` is rejected
/// with 503. A request whose body is still arriving does not count.
pub const REQUESTS_IN_FLIGHT_DEFAULT: usize = 128;
/// Accepted values of `REQUESTS_IN_FLIGHT_MAX`.
pub const REQUESTS_IN_FLIGHT_MAX: RangeInclusive<usize> = 1..=65_536;
/// Requests per window of a rate limit.
pub const RATE_REQUESTS: RangeInclusive<u32> = 1..=1_000_000;
/// Seconds of the window of a rate limit.
pub const RATE_SECONDS: RangeInclusive<u32> = 1..=86_400;
/// Keys of one rate limit, addresses or users; beyond that the least recently used one is evicted. About 100
/// bytes each.
pub const RATE_KEYS_MAX: usize = 65_536;
/// Leading bits of an IPv6 address that identify a client: a client with one address has the 2^64 of its
/// network (RFC 4291, section 2.5.4; RFC 6177).
pub const IPV6_PREFIX_BITS: u8 = 64;
/// Verified access tokens in the token cache; beyond that the least recently used one is evicted. Together
/// with [`CACHED_TOKEN_BYTES_MAX`] this bounds the cache to 32 MiB.
pub const CACHED_TOKENS_MAX: usize = 8_192;
/// Bytes of a cached token; a longer one is verified with every request.
pub const CACHED_TOKEN_BYTES_MAX: usize = 4_096;
/// Networks in `TRUSTED_PROXIES`.
pub const TRUSTED_PROXIES_MAX: usize = 1_000;

/// Open connections; the next one waits in the listener's backlog.
pub const CONNECTIONS_MAX: usize = 8_192;
/// Open connections per address (IPv6: per /64); default of `CONNECTIONS_PER_ADDRESS_MAX`. A further
/// connection is closed. Trusted proxies have no such limit.
pub const CONNECTIONS_PER_ADDRESS_DEFAULT: usize = 1_024;
/// Accepted values of `CONNECTIONS_PER_ADDRESS_MAX`.
pub const CONNECTIONS_PER_ADDRESS_MAX: RangeInclusive<usize> = 1..=CONNECTIONS_MAX;
/// Duration of a TLS handshake.
pub const HANDSHAKE_MAX: Duration = service_kit::grpc::HANDSHAKE_MAX;
/// Concurrent HTTP/2 streams of one connection; default of `STREAMS_PER_CONNECTION_MAX`. A further stream is
/// refused.
pub const STREAMS_PER_CONNECTION_DEFAULT: u32 = 100;
/// Accepted values of `STREAMS_PER_CONNECTION_MAX`.
pub const STREAMS_PER_CONNECTION_MAX: RangeInclusive<u32> = 1..=1_000;
/// Open requests, that is between their head and their response; default of `REQUESTS_MAX`. A further request
/// is rejected with 503. An open request takes about 20 KiB, without its head and its body.
pub const REQUESTS_DEFAULT: usize = 4_096;
/// Accepted values of `REQUESTS_MAX`.
pub const REQUESTS_MAX: RangeInclusive<usize> = 1..=1_048_576;
/// Open requests per client address (IPv6: per /64); default of `REQUESTS_PER_ADDRESS_MAX`.
pub const REQUESTS_PER_ADDRESS_DEFAULT: usize = 1_024;
/// Bytes of the heads of all open requests; a request beyond that is rejected with 503.
pub const HEADS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of the heads of one client address's open requests.
pub const HEADS_BYTES_PER_ADDRESS_MAX: usize = HEADS_BYTES_MAX / 4;
/// Flow-control window of one HTTP/2 stream: the size of the largest body.
pub const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// Flow-control window of one HTTP/2 connection.
pub const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// HTTP/2 streams that the client has reset before the server accepted them; one more closes the connection
/// (CVE-2023-44487).
pub const PENDING_RESETS_MAX: usize = 20;
/// HTTP/2 streams that the server has reset because of client errors; one more closes the connection
/// (CVE-2025-8671).
pub const ERROR_RESETS_MAX: usize = 256;
/// By how many a connection's abandoned requests may exceed its completed ones; one more closes the
/// connection. A request is abandoned if its client resets it before the response.
pub const ABANDONED_MAX: u64 = 256;
/// Bytes of a response passed to the connection at a time: a client that reads nothing is noticed, and costs
/// no more memory than this.
pub const RESPONSE_CHUNK_BYTES: usize = 16 * 1024;
/// How long a client may take to read one response, from its head to its last byte; then the connection
/// closes.
pub const RESPONSE_READ_MAX: Duration = Duration::from_secs(60);
/// How long a request continues after its HTTP/1 client has closed its half of the connection. Such a client
/// may read the response, or may have disconnected.
pub const HALF_CLOSED_MAX: Duration = Duration::from_secs(5);
/// How long an HTTP/1.1 connection may be idle between two requests; default of `KEEP_ALIVE_SECONDS`. It must
/// exceed the idle bound of a load balancer that pools connections: otherwise the balancer sends a request
/// while the connection closes, and its client gets 502. Many balancers have 60 s.
pub const KEEP_ALIVE_DEFAULT: Duration = Duration::from_secs(75);
/// Accepted values of `KEEP_ALIVE_SECONDS`. Google's balancers have a fixed bound of 600 s.
pub const KEEP_ALIVE_SECONDS: RangeInclusive<u64> = 1..=620;
/// How long an HTTP/2 connection may be without a request, unless `KEEP_ALIVE_SECONDS` is longer; then it
/// closes.
pub const HTTP_2_IDLE_MAX: Duration = Duration::from_secs(120);
/// How often each connection is checked for these bounds.
pub const CONNECTION_CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// Bytes of a request's head, that is of request line and header fields. hyper rejects a longer one, without
/// a problem document.
pub const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// How long the head of an HTTP/1 request may take to arrive, and how long a new connection may be without a
/// request.
pub const HEAD_READ_MAX: Duration = Duration::from_secs(30);
/// HTTP/2 keep-alive: time between two PING frames.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// HTTP/2 keep-alive: time to the acknowledgement; then the connection closes.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connections are served after a shutdown has begun, with `Connection: close` in each response. A
/// client that sends a request within this time learns to use another gateway; a connection that is idle for
/// longer has nothing in flight that closing could interrupt.
pub const DRAIN_LINGER: Duration = Duration::from_millis(250);
/// How long a connection without a request in flight stays open after that: until its HTTP/2 client has
/// acknowledged the end of the connection, or goes on reading a response. Then it closes.
pub const CLOSE_LINGER: Duration = Duration::from_millis(500);
/// How often each connection is compared with that bound.
pub const CLOSE_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Bytes from which on a response is compressed: a shorter one fits into one packet anyway.
pub const COMPRESSED_BYTES_MIN: u64 = 1024;
/// How long browsers may cache a preflight response; Chromium caps it at this value.
pub const PREFLIGHT_AGE_MAX: Duration = Duration::from_secs(7_200);
/// Concurrent long polls (`Prefer: wait`); each reads the order from Order about once a second.
pub const LONG_POLLS_MAX: usize = 256;
/// How long before the deadline of its request a long poll ends, so that the response is sent in time.
pub const LONG_POLL_MARGIN: Duration = Duration::from_millis(500);
/// First pause between two reads of a long poll; each pause is twice the one before.
pub const LONG_POLL_PAUSE_MIN: Duration = Duration::from_millis(250);
/// Longest such pause.
pub const LONG_POLL_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Items per order.
pub const ITEMS: RangeInclusive<usize> = 1..=100;
/// Characters (Unicode scalar values) of a product code.
pub const PRODUCT_CODE_CHARS: RangeInclusive<usize> = 1..=100;
/// Quantity of one item.
pub const QUANTITY: RangeInclusive<i64> = 1..=1_000_000;
/// User ids of requests and tokens: every language holds these exactly in a JSON number (RFC 8259, section 6).
/// Clients of gRPC have larger ones as well.
pub const USER_ID: RangeInclusive<i64> = 1..=(1 << 53) - 1;
/// Order ids, for the same reason.
pub const ORDER_ID: RangeInclusive<i64> = 1..=(1 << 53) - 1;
/// Characters of an idempotency key, without quotes and escapes.
pub const KEY_CHARS: RangeInclusive<usize> = 1..=255;
/// Default page size.
pub const PAGE_SIZE_DEFAULT: i32 = 50;
/// Maximum page size.
pub const PAGE_SIZE_MAX: i32 = 1_000;
/// Violations listed in one problem; `errors_truncated` shows that there are more.
pub const VIOLATIONS_MAX: usize = 100;

/// Bytes of an access token; a longer one is rejected unread.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Accepted values of `AUTH_LEEWAY_SECONDS`, the tolerated clock skew.
pub const LEEWAY_SECONDS: RangeInclusive<u64> = 0..=60;
/// Default of `AUTH_LEEWAY_SECONDS`.
pub const LEEWAY_SECONDS_DEFAULT: u64 = 30;
/// Bytes of a secret for HS256: at least the size of its hash (RFC 7518, section 3.2).
pub const SECRET_BYTES: RangeInclusive<usize> = 32..=1_024;
/// Bytes of a key set (JWKS).
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;
/// Keys of a key set that are used. A token without `kid` is checked against every key of its algorithm.
pub const KEYS_MAX: usize = 32;
/// How long one read of a key set may take, from dialling to its last byte.
pub const KEY_SET_READ_MAX: Duration = Duration::from_secs(5);
/// Refresh interval of a key set from a URL.
pub const KEY_SET_URL_INTERVAL: Duration = Duration::from_secs(300);
/// Refresh interval of a key set from a file.
pub const KEY_SET_FILE_INTERVAL: Duration = Duration::from_secs(5);
/// Shortest time between two refreshes forced by tokens with unknown keys, which clients can send at no cost;
/// from a URL.
pub const KEY_SET_URL_FORCED_INTERVAL: Duration = Duration::from_secs(10);
/// The same, from a file.
pub const KEY_SET_FILE_FORCED_INTERVAL: Duration = Duration::from_secs(1);
/// Pauses between refreshes that fail: the first, doubling up to the last.
pub const KEY_SET_RETRY: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(10);
