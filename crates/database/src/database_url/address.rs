//! The parts that every form of a server's URL has, and what each may hold.
//!
//! A function here that meets a fault records it, and returns something that is not used.

use super::server::Host;

/// What precedes the first `:`, and what follows it.
pub(super) fn credentials(text: &str) -> (&str, &str) {
    text.split_once(':').unwrap_or((text, ""))
}

/// The server at `host`, `host:port` or `[IPv6]:port`. A socket is dialled instead where one is given.
pub(super) fn host_and_port(
    address: &str,
    socket: Option<String>,
    port_default: u16,
    faults: &mut Vec<String>,
) -> (Host, u16) {
    // The colons of an IPv6 address stand before its closing bracket.
    let end = address.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match address[end..].rfind(':') {
        Some(colon) => (&address[..end + colon], &address[end + colon + 1..]),
        None => (address, ""),
    };
    let port = if host.len() == address.len() {
        port_default
    } else {
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        port.parse().ok().filter(|port| digits && *port > 0).unwrap_or_else(|| {
            faults.push("the port is not a number from 1 to 65535".to_owned());
            port_default
        })
    };
    (socket.map_or_else(|| host_of(host, faults), Host::Socket), port)
}

fn host_of(text: &str, faults: &mut Vec<String>) -> Host {
    if text.starts_with("%2F") || text.starts_with("%2f") {
        return Host::Socket(decoded(text, "the socket's path", faults));
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'))
        && let Ok(address) = inner.parse()
    {
        return Host::Ipv6(address);
    }
    if text.is_empty() {
        faults.push("the host is missing".to_owned());
    } else if text.contains(['[', ']', ':']) {
        faults.push("the host is no IPv6 address in brackets".to_owned());
    } else if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        faults.push("the host holds other characters than letters, digits, - . and _".to_owned());
    }
    Host::Name(text.to_owned())
}

/// The database's name, percent-decoded.
pub(super) fn database(text: &str, faults: &mut Vec<String>) -> String {
    let name = required(decoded(text, "the database's name", faults), "the database's name", faults);
    // A URL's path would lose them, even escaped.
    if name == "." || name == ".." {
        faults.push("the database's name is . or ..".to_owned());
    }
    name
}

/// A part that may not be empty. A decoded part that is at fault is empty too, and has its line already.
pub(super) fn required(text: String, what: &str, faults: &mut Vec<String>) -> String {
    if text.is_empty() && !faults.iter().any(|fault| fault.starts_with(what)) {
        faults.push(format!("{what} is missing"));
    }
    text
}

/// A part with its `%XX` decoded, of any Unicode but control characters. `what` names it in a fault.
pub(super) fn decoded(text: &str, what: &str, faults: &mut Vec<String>) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits =
            [rest.next(), rest.next()].map(|digit| digit.and_then(|digit| (digit as char).to_digit(16)));
        let [Some(high), Some(low)] = digits else {
            faults.push(format!("{what} has a % without two hexadecimal digits (write % itself as %25)"));
            return String::new();
        };
        bytes.extend(u8::try_from(high * 16 + low));
    }
    match String::from_utf8(bytes) {
        Ok(text) => plain(&text, what, faults),
        Err(_) => {
            faults.push(format!("{what} is not UTF-8 once it is percent-decoded"));
            String::new()
        }
    }
}

/// A part that is taken as it stands, of any Unicode but control characters.
pub(super) fn plain(text: &str, what: &str, faults: &mut Vec<String>) -> String {
    if text.contains(char::is_control) {
        faults.push(format!("{what} holds a control character"));
        return String::new();
    }
    text.to_owned()
}
