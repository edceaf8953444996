//! HTTP/1.1 at a gateway with an Order and a Payment service.

use super::{
    exchange::{Sending, run_all},
    table::{Values, cases},
};
use crate::support::start_system;

/// Runs the cases of a table against a system of their own.
async fn run(table: &str, sendings: &[Sending]) {
    let (system, client) = start_system(all_in_one::Options::default()).await;
    let tag = client.get("/openapi.json").await.header("etag").to_owned();
    for (first_user, sending) in [100_000, 200_000].into_iter().zip(sendings) {
        let cases = cases(table, &Values { tag: tag.clone(), first_user });
        run_all(system.gateway_address(), &client, cases, *sending).await;
    }
}

const BOTH: [Sending; 2] = [Sending::Whole, Sending::InPieces];

#[tokio::test]
async fn request_lines() {
    run(include_str!("request_lines.txt"), &BOTH).await;
}

#[tokio::test]
async fn field_lines() {
    run(include_str!("fields.txt"), &BOTH).await;
}

#[tokio::test]
async fn framing() {
    run(include_str!("framing.txt"), &BOTH).await;
}

/// Whole requests alone: the gateway responds to some of them before the last piece of their body.
#[tokio::test]
async fn connections() {
    run(include_str!("connections.txt"), &[Sending::Whole]).await;
}

#[tokio::test]
async fn negotiation_and_conditions() {
    run(include_str!("negotiation.txt"), &[Sending::Whole]).await;
}
