//! The clients of `examples/`, each against a live system through a proxy that loses the first response.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Output,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
};

use all_in_one::System;
use system_tests::client::Client;
use test_support::{Failed, Need, Trial, check, output, succeed, texts, trial};
use tokio::{
    io::{AsyncReadExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::paths::workspace;

/// The exit code of an example whose order was rejected.
const EXIT_REJECTED: i32 = 1;
/// The user of every example.
const USER: i64 = 123;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("examples::sh_client_is_charged_once_where_a_response_is_lost", &[Need::Curl], || {
            http_client(|| command("sh", &["place-order.sh"]))
        }),
        trial("examples::python_client_is_charged_once_where_a_response_is_lost", &[Need::Python], || {
            http_client(|| command("python3", &["-B", "place_order.py"]))
        }),
        trial(
            "examples::typescript_client_is_charged_once_where_a_response_is_lost",
            &[Need::Typescript],
            typescript,
        ),
        trial(
            "examples::grpc_client_retries_with_its_key_and_decodes_details",
            &[Need::GrpcioTools],
            grpc_client,
        ),
    ]
}

fn examples() -> PathBuf {
    workspace().join("examples")
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(examples());
    command
}

async fn typescript() -> Result<(), Failed> {
    let build = tempfile::tempdir()?;
    succeed(command("tsc", &["--project", "."]).arg("--outDir").arg(build.path())).await?;
    std::fs::copy(examples().join("package.json"), build.path().join("package.json"))?;
    let script = build.path().join("place-order.js");
    http_client(move || {
        let mut command = Command::new("node");
        command.arg(&script);
        command
    })
    .await
}

/// Runs an HTTP example where the first response is lost, again with its key, and with an order that is
/// declined.
async fn http_client(example: impl Fn() -> Command) -> Result<(), Failed> {
    let system = System::start().await?;
    let proxy = lossy_proxy(system.gateway_address(), Loss::Response).await?;
    let run = async |url: &str, price: &str, key: &str| {
        let mut command = example();
        command.env("BASE_URL", url).env("UNIT_PRICE", price).env("IDEMPOTENCY_KEY", key).env_remove("TOKEN");
        output(&mut command).await
    };
    let lossy = run(&format!("http://{proxy}"), "0.12", "example-1").await?;
    let again = run(&system.gateway_url(), "0.12", "example-1").await?;
    let declined = run(&system.gateway_url(), "5000", "example-2").await?;
    let orders = Client::new([system.gateway_url()]).orders_of(USER).await;
    system.stop().await?;

    let (placed, attempts) = printed(&lossy, 0)?;
    check(attempts.contains("attempt 1"), || format!("no attempt was lost: {attempts}"))?;
    let (replayed, _) = printed(&again, 0)?;
    check(placed == replayed && placed.contains("\"PAID\""), || format!("{placed}\n{replayed}"))?;
    let (_, rejection) = printed(&declined, EXIT_REJECTED)?;
    check(rejection.contains("insufficient balance"), || rejection)?;
    check(orders == Some(2), || format!("{orders:?} orders, not one PAID and one DECLINED"))
}

/// Runs the gRPC example where its first connection is closed, again with its key, and with an order that is
/// declined.
async fn grpc_client() -> Result<(), Failed> {
    let system = System::start().await?;
    let proxy = lossy_proxy(system.order_address(), Loss::Connection).await?;
    let run = async |address: SocketAddr, price: &str, key: &str| {
        let mut command = command("python3", &["-B", "place_order_grpc.py"]);
        command
            .env("ORDER_ADDRESS", address.to_string())
            .env("UNIT_PRICE", price)
            .env("IDEMPOTENCY_KEY", key);
        output(&mut command).await
    };
    let lossy = run(proxy, "0.12", "example-1").await?;
    let again = run(system.order_address(), "0.12", "example-1").await?;
    let declined = run(system.order_address(), "5000", "example-2").await?;
    system.stop().await?;

    let (_, attempts) = printed(&lossy, 0)?;
    check(attempts.contains("attempt 1"), || format!("no attempt failed: {attempts}"))?;
    let (replayed, _) = printed(&again, 0)?;
    check(replayed.contains("ORDER_STATUS_PAID, replayed: True"), || replayed)?;
    let (_, rejection) = printed(&declined, EXIT_REJECTED)?;
    check(rejection.contains("PAYMENT_DECLINED") && rejection.contains("insufficient balance"), || rejection)
}

/// Standard output and standard error of an example that must have exited with `code`.
fn printed(output: &Output, code: i32) -> Result<(String, String), Failed> {
    let (stdout, stderr) = texts(output);
    match output.status.code() {
        Some(found) if found == code => Ok((stdout.trim().to_owned(), stderr)),
        _ => Err(format!("{}: {stdout}\n{stderr}", output.status).into()),
    }
}

/// What the proxy does with the first connection.
#[derive(Clone, Copy)]
enum Loss {
    /// The request reaches the server; its response does not reach the client.
    Response,
    /// The connection closes before a byte passes.
    Connection,
}

/// A TCP proxy in front of `server` that loses something on the first connection and is transparent on all
/// others.
async fn lossy_proxy(server: SocketAddr, loss: Loss) -> Result<SocketAddr, Failed> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let is_first = Arc::new(AtomicBool::new(true));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let is_first = is_first.clone();
            tokio::spawn(async move {
                forward(client, server, is_first.swap(false, Ordering::SeqCst).then_some(loss)).await
            });
        }
    });
    Ok(address)
}

async fn forward(mut client: TcpStream, server: SocketAddr, loss: Option<Loss>) -> std::io::Result<()> {
    let mut upstream = TcpStream::connect(server).await?;
    match loss {
        None => copy_bidirectional(&mut client, &mut upstream).await.map(drop),
        Some(Loss::Connection) => Ok(()),
        Some(Loss::Response) => {
            let (mut from_client, _to_client) = client.split();
            let (mut from_server, mut to_server) = upstream.split();
            let mut first_byte = [0];
            tokio::select! {
                copied = tokio::io::copy(&mut from_client, &mut to_server) => copied.map(drop),
                read = from_server.read(&mut first_byte) => read.map(drop),
            }
        }
    }
}
