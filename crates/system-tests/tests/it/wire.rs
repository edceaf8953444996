//! The public port by the standards: HTTP/1.1 (RFC 9110, 9112, 3986) and JSON (RFC 8259).
//!
//! The tables in `wire/*.txt` list bytes and what the gateway must do with them; [`table`] has their format.

mod differences;
mod exchange;
mod http1;
mod json;
mod refusals;
mod table;
