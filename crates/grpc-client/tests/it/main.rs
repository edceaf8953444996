//! Calls over real sockets to backends that answer, refuse, lie, stall and die, and what the channel
//! concludes of each.
//!
//! - `backend`: an honest gRPC server on a runtime of its own, so that it can be killed
//! - `wire`: a peer that writes HTTP/2 frames by hand, so that it can do what no honest server does
//! - `network`: what lies between, and can swallow what is sent; `raw`: calls of no generated client
//! - the tests of one attempt, by what must be concluded: `never_ran`, `lost`, `answered`, `not_grpc`,
//!   `deadline`; and `connection`, of connecting and reconnecting; and `restarts`, which looks for a false
//!   "never ran" under load
//! - the tests of calls of many attempts: `retries` by a policy, `transparent` ones without, what all of them
//!   prove `judged_together`, and how a `storm` of them is held back
//! - the tests of many endpoints: `balancing`, `failover`, `rolling` restarts, `names` that change
//! - `config_in_use`, what is `counted`, and what is left of a channel that was `dropped`
//!
//! What the channel makes of each way in which a call fails:
//!
//! | what happens | the call | shown by |
//! |---|---|---|
//! | connection refused | never ran | `never_ran::a_refused_connection` |
//! | idle connection whose server has just died | never ran, or lost where it was written to | `never_ran::calls_after_an_idle_connection_s_server_has_died` |
//! | GOAWAY, stream above its last id | never ran; made anew | `never_ran::a_stream_above_the_last_id_of_a_goaway`, `connection::a_call_refused_by_one_connection_is_taken_by_the_next` |
//! | RST_STREAM with REFUSED_STREAM | never ran; made anew | `never_ran::a_stream_that_the_peer_refused` |
//! | RST_STREAM with any other reason | lost | `lost::a_stream_reset_with_any_reason_but_a_refusal` |
//! | the server killed while a handler runs | lost | `lost::a_server_killed_while_the_handler_runs` |
//! | a peer that answers no pings | lost | `lost::a_peer_that_no_longer_answers_pings` |
//! | the caller's deadline | deadline exceeded | `deadline::a_call_in_a_handler_ends_on_time_and_the_handler_is_told` |
//! | the time that the callee was given, told by it as CANCELLED | deadline exceeded | `config_in_use::a_method_s_timeout_bounds_its_calls` |
//! | a proxy's bare HTTP status | not gRPC | `not_grpc::a_bare_http_status` |
//! | a connect that never completes | never ran | `never_ran::a_connect_that_never_completes_ends_by_its_own_bound` |
//! | no address at all | never ran | `dns::a_name_without_an_address_is_an_error_and_no_hang` |
//! | an answer over the limit | too large | `not_grpc::an_answer_over_the_limit_is_too_large_and_one_at_the_limit_is_not` |

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
