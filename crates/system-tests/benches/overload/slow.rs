//! One normal client beside a thousand slow ones.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    task::JoinSet,
    time::{interval, sleep},
};

use crate::{
    figures::{self, Failure},
    open_loop::{self, Rate},
    services::Services,
};

const SLOW_CLIENTS: usize = 1_000;
/// The interval between two bytes of a slow client.
const SLOW_BYTE: Duration = Duration::from_secs(1);
const HEALTHY_PER_SECOND: f64 = 50.0;
const HEALTHY_FOR: Duration = Duration::from_secs(10);
const ROUNDS: usize = 5;
const HEAD: &str = "POST /orders HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n";

pub(crate) async fn measure(system: &Services) -> Result<(), Failure> {
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(healthy(system).await?);
        let mut slow = JoinSet::new();
        for client in 0..SLOW_CLIENTS {
            slow.spawn(trickle(system.gateway, client));
        }
        // They need a moment to connect.
        sleep(Duration::from_secs(2)).await;
        beside.push(healthy(system).await?);
        slow.shutdown().await;
        sleep(Duration::from_secs(1)).await;
    }
    let (alone, beside) = (figures::median(alone), figures::median(beside));
    println!("one client at {HEALTHY_PER_SECOND:.0}/s: p99 {alone:.2} ms");
    println!("beside {SLOW_CLIENTS} slow clients: p99 {beside:.2} ms, {:.2} times as much", beside / alone);
    Ok(())
}

/// The p99 latency of the normal client, in milliseconds.
async fn healthy(system: &Services) -> Result<f64, Failure> {
    let outcome = open_loop::run(system.gateway, Rate::of(HEALTHY_PER_SECOND), HEALTHY_FOR).await?;
    outcome.require_all_placed()?;
    Ok(outcome.placed_ms(Duration::ZERO, 0.99))
}

/// Sends a head byte by byte, or a body byte by byte after a complete head. Reconnects when the connection is
/// closed.
async fn trickle(gateway: SocketAddr, client: usize) {
    let at_once = if client.is_multiple_of(2) { 0 } else { HEAD.len() };
    loop {
        if let Ok(mut stream) = TcpStream::connect(gateway).await
            && stream.write_all(&HEAD.as_bytes()[..at_once]).await.is_ok()
        {
            let bytes = HEAD.as_bytes()[at_once..].iter().copied().chain(std::iter::repeat(b' '));
            let mut ticks = interval(SLOW_BYTE);
            for byte in bytes {
                ticks.tick().await;
                if stream.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}
