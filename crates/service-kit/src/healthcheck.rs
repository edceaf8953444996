//! The health check of a container: queries the admin listener of the service that runs in it.
//!
//! Container engines run a program of the image and send no HTTP requests; the images have no shell or curl.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::{Duration, Instant},
};

use crate::{
    env::{EnvErrors, Reader, Variable, Vars},
    process,
};

/// Time limit of a query, including connecting.
pub const TIMEOUT: Duration = Duration::from_secs(3);
/// Exit code where the service is not healthy, or does not respond. Docker reserves 2.
pub const EXIT_UNHEALTHY: u8 = 1;
/// Limit of the bytes read of a response.
const RESPONSE_BYTES_MAX: usize = 16_384;

/// The property that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// `/livez`: whether the process runs.
    Live,
    /// `/readyz`: whether the service accepts requests.
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

/// The `main` of a health check: queries the service that runs on this host with the variables `vars`, within
/// [`TIMEOUT`]. Prints the page on stdout and returns 0 if the service is healthy; otherwise prints a line on
/// stderr and returns [`EXIT_UNHEALTHY`].
pub fn run(vars: &Vars, admin_address: &Variable, probe: Probe) -> ExitCode {
    let address = match address(vars, admin_address) {
        Ok(address) => address,
        Err(errors) => return process::fail_configuration(vars, &errors),
    };
    match query(address, probe) {
        Ok(page) => {
            // The service is healthy even where stdout is closed.
            let _ = io::stdout().write_all(page.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => process::fail(EXIT_UNHEALTHY, &error),
    }
}

/// The address of the admin listener for clients on the same host.
fn address(vars: &Vars, admin_address: &Variable) -> Result<SocketAddr, EnvErrors> {
    let declared: &[&[&Variable]] = &[&[admin_address]];
    let mut reader = Reader::new(vars, declared);
    let address: Option<SocketAddr> = reader.value(admin_address);
    if address.is_some_and(|address| address.port() == 0) {
        reader.fault(admin_address, "port 0 is any free port, which another process cannot know");
    }
    reader.finish(address.map(|address| SocketAddr::new(reachable(address.ip()), address.port())))
}

/// The loopback address instead of the unspecified one, which no client can connect to.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// Returns the page of a healthy service, or the error line.
fn query(address: SocketAddr, probe: Probe) -> Result<String, String> {
    let response =
        exchange(address, probe).map_err(|error| format!("no response from {address}: {error}"))?;
    let (head, page) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    match status {
        "200" => Ok(page.to_owned()),
        _ => Err(format!("{address}{} responded {status:?}: {}", probe.path(), page.trim_end())),
    }
}

fn exchange(address: SocketAddr, probe: Probe) -> io::Result<String> {
    let deadline = Instant::now() + TIMEOUT;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    let request = format!("GET {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n", probe.path());
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(request.as_bytes())?;
    let (mut response, mut chunk) = (Vec::new(), [0; 1024]);
    loop {
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        stream.set_read_timeout(Some(left.ok_or(io::ErrorKind::TimedOut)?))?;
        let count = stream.read(&mut chunk)?;
        response.extend_from_slice(&chunk[..count]);
        if count == 0 || response.len() >= RESPONSE_BYTES_MAX {
            return Ok(String::from_utf8_lossy(&response).into_owned());
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

    const ADMIN_ADDRESS: Variable = process::admin_address("127.0.0.1:9000");

    fn address(admin: &str) -> Result<SocketAddr, EnvErrors> {
        super::address(&Vars::from_iter([("ADMIN_ADDRESS", admin)]), &ADMIN_ADDRESS)
    }

    #[test]
    fn the_unspecified_address_is_queried_on_loopback() {
        for (configured, queried) in [
            ("", "127.0.0.1:9000"),
            ("127.0.0.2:7", "127.0.0.2:7"),
            ("0.0.0.0:9080", "127.0.0.1:9080"),
            ("[::]:9080", "[::1]:9080"),
        ] {
            assert_eq!(address(configured).unwrap().to_string(), queried, "{configured}");
        }
        for wrong in ["127.0.0.1:0", "9000"] {
            let errors = address(wrong).unwrap_err().to_string();
            assert!(errors.starts_with("ADMIN_ADDRESS environment variable is invalid: "), "{errors}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_service_is_live_before_it_is_ready() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let readiness = Readiness::default();
        let _admin = Admin::start(listener, readiness.clone(), Arc::new(Registry::default()));
        let queried = async |probe| tokio::task::spawn_blocking(move || query(address, probe)).await.unwrap();
        assert_eq!(queried(Probe::Live).await, Ok("ok\n".to_owned()));
        let error = format!("{address}/readyz responded \"503\": not ready: accepting");
        assert_eq!(queried(Probe::Ready).await, Err(error));
        readiness.set(ACCEPTING, true);
        assert_eq!(queried(Probe::Ready).await, Ok("ready\n".to_owned()));
    }

    #[test]
    fn a_silent_or_closed_port_is_unhealthy_within_the_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let started = Instant::now();
        // The system accepts the connection into the backlog; nothing responds.
        let silent = query(address, Probe::Ready).unwrap_err();
        assert!(silent.starts_with(&format!("no response from {address}: ")), "{silent}");
        assert!(started.elapsed() < 2 * TIMEOUT, "{:?}", started.elapsed());
        drop(listener);
        let refused = query(address, Probe::Ready).unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
    }

    #[test]
    fn an_endless_response_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let endless = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            while stream.write_all(&[b'x'; 1024]).is_ok() {}
        });
        let page = query(address, Probe::Live).unwrap();
        assert!(page.len() < 20_000, "{}", page.len());
        endless.join().unwrap();
    }
}
