//! Calls over real sockets to servers that respond, refuse, send invalid responses, stall or are killed, and
//! the classification of each failure.
//!
//! Support: `backend` (a tonic server on a runtime of its own, which can be killed), `http2_peer` (a server
//! that writes HTTP/2 frames by hand), `network` (addresses and a proxy that fail), `client`, `raw_request`
//! and `load` (channels and calls).
//!
//! | failure | classification | test |
//! |---|---|---|
//! | connection refused, name unknown | never ran | `unprocessed::every_call_to_a_refusing_or_unknown_host` |
//! | idle connection whose server was just killed | never ran, or connection loss if it was written to | `unprocessed::calls_after_the_server_of_an_idle_connection_was_killed` |
//! | GOAWAY, stream above its last id | never ran; retried | `unprocessed::stream_above_the_last_id_of_a_goaway`, `connection::call_refused_by_a_closing_connection_is_retried_on_a_new_one` |
//! | RST_STREAM with REFUSED_STREAM | never ran; retried | `unprocessed::stream_refused_twice` |
//! | RST_STREAM with another code | connection loss | `connection_loss::reset_with_any_code_but_refused_stream_is_connection_loss` |
//! | server killed while a handler runs | connection loss | `connection_loss::server_killed_while_the_handler_runs_is_connection_loss` |
//! | peer that responds to no ping | connection loss | `connection_loss::peer_that_responds_to_no_ping_is_connection_loss_after_10_to_15_seconds` |
//! | client's deadline | deadline exceeded | `deadline::call_ends_on_time_and_its_handler_is_cancelled` |
//! | CANCELLED of a server whose `grpc-timeout` is over | deadline exceeded | `method_config::shortest_of_all_timeouts_applies` |
//! | HTTP status of a proxy | invalid response | `invalid_response::http_response_that_is_not_grpc` |
//! | no valid `grpc-status` | invalid response | `invalid_response::endpoint_whose_responses_have_no_valid_status_is_ejected` |
//! | connection refused less than 50 ms ago | never ran | `failover::calls_between_two_attempts_to_connect_fail_at_once` |
//! | connecting never completes | never ran | `unprocessed::connecting_to_an_unresponsive_peer_ends_after_the_connect_timeout` |
//! | no address | never ran | `dns::call_to_a_name_without_address_fails_after_the_connect_timeout` |
//! | response over the limit | response too large | `invalid_response::response_over_the_limit_is_too_large_and_one_at_the_limit_is_not` |

#![allow(clippy::unwrap_used, reason = "clippy's own exception covers test functions, not what they call")]

mod backend;
mod balancing;
mod channel_drop;
mod client;
mod combined_outcome;
mod connection;
mod connection_loss;
mod deadline;
mod dns;
mod failover;
mod http2_peer;
mod invalid_response;
mod load;
mod method_config;
mod metrics;
mod network;
mod observer;
mod raw_request;
mod retry_policy;
mod retry_storm;
mod rolling_restart;
mod server_restart;
mod server_status;
mod transparent_retry;
mod unprocessed;
