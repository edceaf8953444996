//! The parts of a server's URL that all forms share.
//!
//! On an error, a function here adds a message to `errors` and returns a placeholder.

use std::{fmt, net::Ipv6Addr};

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// A host name or an IPv4 address: letters, digits, `-`, `.` and `_`.
    Name(String),
    /// An IPv6 address, without a zone.
    Ipv6(Ipv6Addr),
    /// An absolute path: MySQL's socket, or the directory of PostgreSQL's socket.
    Socket(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ipv6(address) => write!(f, "[{address}]"),
            Self::Socket(path) => f.write_str(&encoded(path)),
        }
    }
}

/// Splits at the first `:`.
pub(super) fn credentials(text: &str) -> (&str, &str) {
    text.split_once(':').unwrap_or((text, ""))
}

/// Parses `host`, `host:port` or `[IPv6]:port`. A `socket` replaces the host.
pub(super) fn host_and_port(
    address: &str,
    socket: Option<String>,
    port_default: u16,
    errors: &mut Vec<String>,
) -> (Host, u16) {
    // Skips the colons of an IPv6 address in brackets.
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
            errors.push("the port is not a number from 1 to 65535".to_owned());
            port_default
        })
    };
    (socket.map_or_else(|| host_of(host, errors), Host::Socket), port)
}

fn host_of(text: &str, errors: &mut Vec<String>) -> Host {
    if text.starts_with("%2F") || text.starts_with("%2f") {
        return Host::Socket(decoded(text, "the socket's path", errors));
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'))
        && let Ok(address) = inner.parse()
    {
        return Host::Ipv6(address);
    }
    if text.is_empty() {
        errors.push("the host is missing".to_owned());
    } else if text.contains(['[', ']', ':']) {
        errors.push("the host is no IPv6 address in brackets".to_owned());
    } else if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        errors.push("the host holds other characters than letters, digits, - . and _".to_owned());
    }
    Host::Name(text.to_owned())
}

/// Decodes the name of the database.
pub(super) fn database(text: &str, errors: &mut Vec<String>) -> String {
    let name = required(decoded(text, "the database's name", errors), "the database's name", errors);
    // URL parsers remove these path segments, even if encoded.
    if name == "." || name == ".." {
        errors.push("the database's name is . or ..".to_owned());
    }
    name
}

/// Checks that a part is not empty. An invalid part is empty as well and already has its message.
pub(super) fn required(text: String, what: &str, errors: &mut Vec<String>) -> String {
    if text.is_empty() && !errors.iter().any(|error| error.starts_with(what)) {
        errors.push(format!("{what} is missing"));
    }
    text
}

/// Percent-decodes a part; rejects control characters. `what` names the part in messages.
pub(super) fn decoded(text: &str, what: &str, errors: &mut Vec<String>) -> String {
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
            errors.push(format!("{what} has a % without two hexadecimal digits (write % itself as %25)"));
            return String::new();
        };
        bytes.extend(u8::try_from(high * 16 + low));
    }
    match String::from_utf8(bytes) {
        Ok(text) => plain(&text, what, errors),
        Err(_) => {
            errors.push(format!("{what} is not UTF-8 once it is percent-decoded"));
            String::new()
        }
    }
}

/// Copies a part without decoding; rejects control characters.
pub(super) fn plain(text: &str, what: &str, errors: &mut Vec<String>) -> String {
    if text.contains(char::is_control) {
        errors.push(format!("{what} holds a control character"));
        return String::new();
    }
    text.to_owned()
}

/// Percent-encodes every byte but the unreserved characters of RFC 3986 §2.3.
pub(super) fn encoded(text: &str) -> String {
    let mut url = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(byte.into()),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}
