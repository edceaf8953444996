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
    let told = gateway(&["--version"], &[]);
    assert_eq!(told.status.code(), Some(0));
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.starts_with(&format!("gateway {} (", env!("CARGO_PKG_VERSION"))), "{text}");
}

#[test]
fn what_is_typed_wrongly_is_no_reason_to_serve() {
    assert_eq!(gateway(&["healtcheck"], &[]).status.code(), Some(64));
    assert_eq!(gateway(&["healthcheck"], &[("ADMIN_ADDRESS", "9080")]).status.code(), Some(64));
}

#[test]
fn the_healthcheck_asks_the_gateway_that_has_the_same_environment() {
    // Free a moment ago; the gateway says so if somebody took it since.
    let admin = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let vars = [
        ("APPLICATION_PORT", "0"),
        ("ENV", "development"),
        ("ADMIN_ADDRESS", &admin),
        ("ORDER_SERVICE_URL", "127.0.0.1:1"),
    ];
    let nobody = gateway(&["healthcheck"], &vars);
    assert_eq!(nobody.status.code(), Some(1));
    let line = String::from_utf8(nobody.stderr).unwrap();
    assert!(line.starts_with(&format!("no response from {admin}: ")), "{line}");

    let _serving = Running(command(&[], &vars).stderr(Stdio::null()).spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(20);
    let told = loop {
        let told = gateway(&["healthcheck"], &vars);
        if told.status.success() {
            break told;
        }
        assert!(Instant::now() < deadline, "{told:?}");
    };
    assert_eq!(String::from_utf8(told.stdout).unwrap(), "ready\n");
    assert_eq!(gateway(&["healthcheck", "--live"], &vars).stdout, b"ok\n");
}
