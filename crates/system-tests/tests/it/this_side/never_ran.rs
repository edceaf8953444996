//! Calls that provably never ran: nothing was done, and the public may be told so.

use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use super::{NOT_STARTED, ask, hold_every, holds};
use crate::{
    backend::frames::{Frames, REFUSED_STREAM, Then},
    front::{EVERY_ASK, Front},
    log::Log,
};

const NEVER_RAN: [super::Told; 2] = [NOT_STARTED, NOT_STARTED];

#[tokio::test]
async fn a_refused_connection() {
    let log = Log::keep();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let gateway = Front::of(nobody).await;
    hold_every(&gateway, &log, NEVER_RAN, "NeverRan").await;

    for how in EVERY_ASK {
        log.lines();
        let answer = ask(&gateway, how).await;
        holds(&answer, how, NOT_STARTED);
        let shown = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
        assert!(!shown.contains(&nobody.port().to_string()), "{shown}");
        // The log is where an operator finds what the public is not told.
        let lines = log.lines();
        let told: Vec<_> = lines.iter().filter(|line| line.contains("onnection refused")).collect();
        assert_eq!(told.len(), 1, "{lines:#?}");
    }
}

#[tokio::test]
async fn a_stream_that_the_peer_refused() {
    let log = Log::keep();
    let order = Frames::start(Then::Reset(REFUSED_STREAM)).await;
    let gateway = Front::of(order.address).await;
    hold_every(&gateway, &log, NEVER_RAN, "NeverRan").await;
}

#[tokio::test]
async fn a_stream_that_the_peer_s_goodbye_left_out() {
    let log = Log::keep();
    let order = Frames::start(Then::GoAwayBefore).await;
    let gateway = Front::of(order.address).await;
    hold_every(&gateway, &log, NEVER_RAN, "NeverRan").await;
}
