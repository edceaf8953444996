//! The language between the services: stubs of the Order and Payment contracts, generated from
//! `protos/` and committed, so that building needs no protoc.
//!
//! `tests/generated.rs` keeps them equal to their sources; `UPDATE_GENERATED=1 cargo test -p proto`
//! writes them anew.

/// Client, server and messages of the Order service (`protos/order.proto`).
#[rustfmt::skip]
#[path = "generated/order/_.rs"]
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod order;

/// Client, server and messages of the Payment service (`protos/payment.proto`).
#[rustfmt::skip]
#[path = "generated/payment/_.rs"]
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod payment;

/// `google.type`, of which the contracts use `Money`.
#[rustfmt::skip]
#[path = "generated/google.r#type.rs"]
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod google_type;

/// A serialized `FileDescriptorSet` of the Order service and what it imports, for reflection.
pub const ORDER_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/order.binpb");

/// A serialized `FileDescriptorSet` of the Payment service and what it imports, for reflection.
pub const PAYMENT_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/payment.binpb");
