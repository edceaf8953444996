//! What a service counted, read from its admin listener as an operator would.

use std::net::SocketAddr;

use http::Method;

use super::raw::Raw;

/// All that the service at `admin` counted.
pub(crate) async fn page(admin: SocketAddr) -> String {
    let mut connection = Raw::open(admin).await;
    let request = format!("{} /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n", Method::GET);
    connection.send(request).await.expect("an admin listener");
    let page = connection.unchecked().await.expect("a whole answer").expect("an answer");
    String::from_utf8(page.body.into()).expect("text")
}

/// How many calls of a method, `Order/Create` for instance, the service at `admin` has answered.
pub(crate) async fn calls(admin: SocketAddr, method: &str) -> u64 {
    let (label, text) = (format!("method=\"{method}\""), page(admin).await);
    let lines = text.lines().filter(|line| line.starts_with("grpc_server_call_duration_seconds_count{"));
    lines
        .filter(|line| line.contains(&label))
        .map(|line| line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("a count"))
        .sum()
}
