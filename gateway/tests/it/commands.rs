//! The program's command line.

use std::{
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

fn gateway(args: &[&str], vars: &[(&str, &str)]) -> Output {
    command(args, vars).output().unwrap()
}

fn command(args: &[&str], vars: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.args(args).env_clear().envs(vars.iter().copied()).stdin(Stdio::null());
    command
}

/// A process that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn the_version_names_the_build() {
    let output = gateway(&["--version"], &[]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(&format!("gateway {} (", env!("CARGO_PKG_VERSION"))), "{text}");
}

#[test]
fn a_misspelt_command_or_an_invalid_variable_exits_with_64() {
    assert_eq!(gateway(&["healtcheck"], &[]).status.code(), Some(64));
    assert_eq!(gateway(&["healthcheck"], &[("ADMIN_ADDRESS", "9080")]).status.code(), Some(64));
}

#[test]
fn the_healthcheck_queries_the_gateway_with_the_same_environment() {
    // If another process takes the port meanwhile, the gateway does not start, and this test fails.
    let admin = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let vars = [
        ("APPLICATION_PORT", "0"),
        ("ENV", "development"),
        ("ADMIN_ADDRESS", &admin),
        ("ORDER_SERVICE_URL", "127.0.0.1:1"),
    ];
    let without_gateway = gateway(&["healthcheck"], &vars);
    assert_eq!(without_gateway.status.code(), Some(1));
    let line = String::from_utf8(without_gateway.stderr).unwrap();
    assert!(line.starts_with(&format!("no response from {admin}: ")), "{line}");

    let _serving = Running(command(&[], &vars).stderr(Stdio::null()).spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(20);
    let ready = loop {
        let output = gateway(&["healthcheck"], &vars);
        if output.status.success() {
            break output;
        }
        assert!(Instant::now() < deadline, "{output:?}");
    };
    assert_eq!(String::from_utf8(ready.stdout).unwrap(), "ready\n");
    assert_eq!(gateway(&["healthcheck", "--live"], &vars).stdout, b"ok\n");
}
