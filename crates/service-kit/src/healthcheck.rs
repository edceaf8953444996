//! What a process says of its own health: for container engines that can run a program in an image and ask nothing
//! over HTTP. Images have neither a shell nor curl.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::{Duration, Instant},
};

use crate::{
    env::{EnvErrors, Reader, Vars},
    process::{self, EXIT_CONFIGURATION},
};

/// How long the answer may take in all.
pub const TIMEOUT: Duration = Duration::from_secs(3);
/// Exit code of a service that is not healthy, or does not answer. Docker reserves 2.
pub const EXIT_UNHEALTHY: u8 = 1;
/// More than this much of an answer, in bytes, is not read.
const ANSWER_BYTES_MAX: usize = 16_384;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// `/livez`: whether it runs at all.
    Live,
    /// `/readyz`: whether it should be sent requests.
    Ready,
}

impl Probe {
    fn path(self) -> &'static str {
        match self {
            Self::Live => "/livez",
            Self::Ready => "/readyz",
        }
    }
}

/// Asks the service that runs with the variables `vars` on this host, as this whole process: exit code 0 and its page on
/// stdout where it is well, [`EXIT_UNHEALTHY`] and a line on stderr otherwise, within [`TIMEOUT`].
pub fn run(vars: &Vars, admin_port_default: u16, probe: Probe) -> ExitCode {
    let address = match address(vars, admin_port_default) {
        Ok(address) => address,
        Err(errors) => return process::fail(EXIT_CONFIGURATION, &errors),
    };
    match ask(address, probe) {
        Ok(page) => {
            // It is well, whoever reads that.
            let _ = io::stdout().write_all(page.as_bytes());
            ExitCode::SUCCESS
        }
        Err(why) => process::fail(EXIT_UNHEALTHY, &why),
    }
}

/// Where the admin listener is reached from its own host.
fn address(vars: &Vars, port_default: u16) -> Result<SocketAddr, EnvErrors> {
    let mut reader = Reader::new(vars);
    let address = process::admin_address(&mut reader, port_default);
    if address.is_some_and(|address| address.port() == 0) {
        reader.fault("ADMIN_ADDRESS", "port 0 is any free one, which nobody else knows");
    }
    reader.finish(address.map(|address| SocketAddr::new(reached(address.ip()), address.port())))
}

/// Every address is none that one connects to.
fn reached(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// The page of a service that is well.
fn ask(address: SocketAddr, probe: Probe) -> Result<String, String> {
    let answer = exchange(address, probe).map_err(|error| format!("no answer from {address}: {error}"))?;
    let (head, page) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    match status {
        "200" => Ok(page.to_owned()),
        _ => Err(format!("{address}{} answered {status:?}: {}", probe.path(), page.trim_end())),
    }
}

fn exchange(address: SocketAddr, probe: Probe) -> io::Result<String> {
    let deadline = Instant::now() + TIMEOUT;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    let request = format!("GET {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n", probe.path());
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 1024]);
    loop {
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        stream.set_read_timeout(Some(left.ok_or(io::ErrorKind::TimedOut)?))?;
        let count = stream.read(&mut piece)?;
        answer.extend_from_slice(&piece[..count]);
        if count == 0 || answer.len() >= ANSWER_BYTES_MAX {
            return Ok(String::from_utf8_lossy(&answer).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, sync::Arc, thread};

    use super::*;
    use crate::{
        admin::{ACCEPTING, Admin, Readiness},
        metrics::Registry,
    };

    fn vars(admin: &str) -> Vars {
        Vars::from_iter([("ADMIN_ADDRESS", admin)])
    }

    #[test]
    fn the_address_is_the_one_that_the_service_has_reached_from_its_own_host() {
        for (given, reached) in [
            ("", "127.0.0.1:9000"),
            ("127.0.0.2:7", "127.0.0.2:7"),
            ("0.0.0.0:9080", "127.0.0.1:9080"),
            ("[::]:9080", "[::1]:9080"),
        ] {
            assert_eq!(address(&vars(given), 9000).unwrap().to_string(), reached, "{given}");
        }
        for wrong in ["127.0.0.1:0", "9000"] {
            let errors = address(&vars(wrong), 9000).unwrap_err().to_string();
            assert!(errors.starts_with("ADMIN_ADDRESS environment variable is invalid: "), "{errors}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_service_is_well_once_it_accepts_and_alive_before() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let readiness = Readiness::default();
        let _admin = Admin::start(listener, readiness.clone(), Arc::new(Registry::default()));
        let asked = async |probe| tokio::task::spawn_blocking(move || ask(address, probe)).await.unwrap();
        assert_eq!(asked(Probe::Live).await, Ok("ok\n".to_owned()));
        let why = format!("{address}/readyz answered \"503\": not ready: accepting");
        assert_eq!(asked(Probe::Ready).await, Err(why));
        readiness.set(ACCEPTING, true);
        assert_eq!(asked(Probe::Ready).await, Ok("ready\n".to_owned()));
    }

    #[test]
    fn one_that_is_gone_or_says_nothing_is_not_well_before_long() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let begun = Instant::now();
        // It accepts by its backlog, and never answers.
        let silent = ask(address, Probe::Ready).unwrap_err();
        assert!(silent.starts_with(&format!("no answer from {address}: ")), "{silent}");
        assert!(begun.elapsed() < 2 * TIMEOUT, "{:?}", begun.elapsed());
        drop(listener);
        let refused = ask(address, Probe::Ready).unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
    }

    #[test]
    fn what_never_ends_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let endless = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            while stream.write_all(&[b'x'; 1024]).is_ok() {}
        });
        let page = ask(address, Probe::Live).unwrap();
        assert!(page.len() < 20_000, "{}", page.len());
        endless.join().unwrap();
    }
}
