//! Clients that hold idle connections.

use std::net::{Ipv4Addr, SocketAddr};

use all_in_one::Options;
use tokio::{net::TcpSocket, task::JoinSet};

use super::{order, start};
use crate::support::{
    EXAMPLE, eventually,
    raw::{RawConnection, post, post_head},
    scrape,
};

const SLOW_CLIENTS: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn thousand_slow_connections_do_not_block_other_clients() {
    let (system, client, gateway) = start(Options::default()).await;
    let mut opening = JoinSet::new();
    for slow in 0..SLOW_CLIENTS {
        opening.spawn(async move {
            let mut connection = RawConnection::open(gateway).await;
            let begun = match slow % 4 {
                0 => String::new(),
                1 => "PRI * HTTP/2.0\r\n\r\n".to_owned(),
                2 => "POST /orders HTTP/1.1\r\nHost: g".to_owned(),
                _ => post_head("Content-Length: 1000\r\n") + "{",
            };
            connection.send(begun).await.unwrap();
            connection
        });
    }
    let connections = opening.join_all().await;
    eventually("all connections are accepted", async || {
        let page = scrape::page(system.gateway_admin()).await;
        let open = page.lines().find_map(|line| line.strip_prefix("http_server_connections "))?;
        (open.parse::<usize>().ok()? >= SLOW_CLIENTS).then_some(())
    })
    .await;
    for _ in 0..20 {
        assert_eq!(order(&client, &[]).await.status, 201);
    }
    drop(connections);
}

#[tokio::test]
async fn connections_are_limited_per_address() {
    let (system, _, gateway) = start(Options::default().var("CONNECTIONS_PER_ADDRESS_MAX", 3)).await;
    let mut connections = Vec::new();
    for _ in 0..3 {
        let mut connection = RawConnection::open(gateway).await;
        connection.send(post("", EXAMPLE)).await.unwrap();
        assert_eq!(connection.read_order_response().await.status, 201);
        connections.push(connection);
    }
    let mut rejected = RawConnection::open(gateway).await;
    let _ = rejected.send(post("", EXAMPLE)).await;
    assert!(rejected.is_closed().await);
    let page = scrape::page(system.gateway_admin()).await;
    assert!(page.contains("http_server_connections_cut_total{why=\"address\"} 1\n"), "{page}");

    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0))).unwrap();
    let mut another = RawConnection::over(socket.connect(gateway).await.unwrap());
    another.send(post("", EXAMPLE)).await.unwrap();
    assert_eq!(another.read_order_response().await.status, 201);

    connections.pop();
    eventually("a connection is accepted again", async || {
        let mut connection = RawConnection::open(gateway).await;
        connection.send(post("", EXAMPLE)).await.ok()?;
        connection.read_unchecked().await.ok().flatten().filter(|response| response.status == 201)
    })
    .await;
}
