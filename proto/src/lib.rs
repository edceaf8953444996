//! Messages, clients and servers of the gRPC contracts, generated from `protos/` and committed, so that a
//! build needs no protoc.
//!
//! `tests/generated.rs` compares them with their sources; `UPDATE_GENERATED=1 cargo test -p proto`
//! regenerates them.

/// The Order service (`protos/order.proto`).
#[rustfmt::skip]
#[path = "generated/order/_.rs"]
#[allow(missing_docs, clippy::all, clippy::too_many_lines, unreachable_pub)]
pub mod order;

/// The Payment service (`protos/payment.proto`).
#[rustfmt::skip]
#[path = "generated/payment/_.rs"]
#[allow(missing_docs, clippy::all, clippy::too_many_lines, unreachable_pub)]
pub mod payment;

/// `google.type`, of which the contracts use `Money`.
#[rustfmt::skip]
#[path = "generated/google.r#type.rs"]
#[allow(missing_docs, clippy::all, clippy::too_many_lines, unreachable_pub)]
pub mod google_type;

/// The serialized `FileDescriptorSet` of the Order service and its imports, for reflection.
pub const ORDER_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/order.binpb");

/// The serialized `FileDescriptorSet` of the Payment service and its imports, for reflection.
pub const PAYMENT_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/payment.binpb");
