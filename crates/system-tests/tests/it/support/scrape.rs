//! Metrics of a service, scraped from its admin listener.

use std::net::SocketAddr;

use http::Method;

use super::raw::RawConnection;

/// The metrics page of the service at `admin`.
pub(crate) async fn page(admin: SocketAddr) -> String {
    let mut connection = RawConnection::open(admin).await;
    let request = format!("{} /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n", Method::GET);
    connection.send(request).await.expect("an admin listener");
    let page = connection.read_unchecked().await.expect("a whole response").expect("a response");
    String::from_utf8(page.body.into()).expect("text")
}

/// The number of calls of a method, for example `Order/Create`, that the service at `admin` has
/// handled.
pub(crate) async fn calls(admin: SocketAddr, method: &str) -> u64 {
    let (label, text) = (format!("method=\"{method}\""), page(admin).await);
    let lines = text.lines().filter(|line| line.starts_with("grpc_server_call_duration_seconds_count{"));
    lines
        .filter(|line| line.contains(&label))
        .map(|line| line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("a count"))
        .sum()
}
