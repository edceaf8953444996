//! A process whose log nobody reads, or whose stderr is closed.

use std::{io::pipe, process::Stdio, time::Duration};

use tokio::{
    process::{Child, Command},
    time::timeout,
};

use super::{Environment, STOP_MAX, common_vars, with_vars};
use crate::support::{Client, WAIT_MAX, eventually, free_address, process::send_signal};

/// Requests whose log lines exceed the buffer of a pipe (64 KiB) several times.
const REQUESTS: usize = 1_000;

fn start(arguments: &[&str], environment: &Environment, stderr: impl Into<Stdio>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_system-under-test"));
    command.args(arguments).env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).kill_on_drop(true);
    command.spawn().expect("a process")
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_reader_of_the_log_delays_neither_requests_nor_the_stop() {
    let (service, admin) = (free_address(), free_address());
    let environment = with_vars(
        common_vars("production"),
        &[
            ("APPLICATION_PORT", service.port().to_string()),
            ("ADMIN_ADDRESS", admin.to_string()),
            ("ORDER_SERVICE_URL", free_address().to_string()),
        ],
    );
    let (reader, writer) = pipe().unwrap();
    let mut gateway = start(&["gateway"], &environment, writer);
    let (client, admin) = (Client::new(format!("http://{service}")), Client::new(format!("http://{admin}")));
    let live = || admin.exchange(&http::Method::GET, "/livez", &[], "");
    eventually("the gateway listens", || async { live().await.ok() }).await;
    let requests = async {
        for _ in 0..REQUESTS {
            assert_eq!(client.get("/orders/x").await.status, 400);
        }
    };
    timeout(WAIT_MAX, requests).await.expect("requests are served");
    assert_eq!(live().await.unwrap().status, 200);
    send_signal(&gateway, "TERM").await;
    let status = timeout(STOP_MAX, gateway.wait()).await.expect("the gateway stops").unwrap();
    assert_eq!(status.code(), Some(0));
    drop(reader);
}

#[tokio::test]
async fn exit_codes_do_not_depend_on_stderr() {
    let invalid = with_vars(common_vars("neither"), &[]);
    let unavailable = with_vars(
        common_vars("production"),
        &[("ORDER_SERVICE_URL", "localhost:3000".to_owned()), ("BIND_ADDRESS", "192.0.2.1".to_owned())],
    );
    for (arguments, environment, code) in [
        (["gateway"].as_slice(), &invalid, 64),
        (&["gateway"], &unavailable, 69),
        (&["gateway", "--unknown"], &invalid, 64),
        (&["order", "migrate"], &invalid, 64),
        (&["--unknown"], &invalid, 64),
    ] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut process = start(arguments, environment, writer);
        let status = timeout(Duration::from_secs(30), process.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}
