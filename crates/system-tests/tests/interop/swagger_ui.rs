//! The HTML pages in a real browser, also behind a proxy that strips a path prefix.
//!
//! `SCREENSHOT=docs/swagger-ui.png PROBLEM_SCREENSHOT=docs/problem-page.png cargo test -p system-tests --test
//! interop swagger_ui_places_an_order_in_chromium` writes the screenshots of the documentation.

use std::net::SocketAddr;

use all_in_one::{Options, System};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Either, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use test_support::{Failed, Need, Trial, succeed, trial};
use tokio::net::TcpListener;

use crate::{
    access_token::{required, token},
    paths::{python, workspace},
};

const PREFIX: &str = "/api";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("swagger_ui_places_an_order_in_chromium", &[Need::Chromium], at_the_root),
        trial("swagger_ui_places_an_order_behind_a_path_prefix", &[Need::Chromium], behind_a_prefix),
    ]
}

async fn at_the_root() -> Result<(), Failed> {
    let system = System::start_with(required(Options::default())).await?;
    let url = system.gateway_url();
    visit(system, &url).await
}

async fn behind_a_prefix() -> Result<(), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}{PREFIX}", listener.local_addr()?);
    let system = System::start_with(required(Options::default()).var("PUBLIC_URL", &url)).await?;
    let proxy = tokio::spawn(strip_prefix(listener, system.gateway_address()));
    let result = visit(system, &url).await;
    proxy.abort();
    result
}

/// Opens the pages at `url`, then stops the system.
async fn visit(system: System, url: &str) -> Result<(), Failed> {
    let mut script = python("swagger_ui.py");
    // The paths of the screenshots are relative to the workspace.
    script.current_dir(workspace()).arg(url).env("TOKEN", token());
    let output = succeed(&mut script).await;
    system.stop().await?;
    output.map(drop)
}

/// Forwards requests below [`PREFIX`] to `gateway`, and [`PREFIX`] itself as `/`. All others are 404.
async fn strip_prefix(listener: TcpListener, gateway: SocketAddr) -> std::io::Result<()> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Incoming>();
    loop {
        let (connection, _) = listener.accept().await?;
        let client = client.clone();
        let forward = service_fn(move |mut request: Request<Incoming>| {
            let stripped = stripped(request.uri(), gateway);
            let client = client.clone();
            async move {
                let Some(uri) = stripped else {
                    let mut missing = Response::new(Either::Right(Empty::<Bytes>::new()));
                    *missing.status_mut() = StatusCode::NOT_FOUND;
                    return Ok(missing);
                };
                *request.uri_mut() = uri;
                client.request(request).await.map(|response| response.map(|body| Either::Left(body.boxed())))
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), forward));
    }
}

/// The address at the gateway. `None` outside of the prefix.
fn stripped(uri: &Uri, gateway: SocketAddr) -> Option<Uri> {
    let target = uri.path_and_query()?.as_str().strip_prefix(PREFIX)?;
    let target = if target.is_empty() { "/" } else { target };
    target.starts_with('/').then(|| format!("http://{gateway}{target}").parse().ok())?
}
