//! Where a service is: a list of addresses, or a name to resolve by DNS.

use std::{fmt, net::IpAddr, str::FromStr};

use http::uri::{Authority, Scheme, Uri};

/// Maximum addresses of a list.
pub const LISTED_ADDRESSES_MAX: usize = 256;

/// Where a service is, in a form of gRPC's naming document (`naming.md`).
///
/// | form | meaning |
/// |---|---|
/// | `host:port` | one endpoint; TLS if the channel has a TLS configuration, else plain text |
/// | `http://host:port` | one endpoint, plain text |
/// | `https://host:port` | one endpoint, TLS |
/// | several of these, separated by commas | one endpoint each, at most [`LISTED_ADDRESSES_MAX`] |
/// | `dns:///host:port`, `dns:host:port` | one endpoint per address of the name, resolved periodically |
///
/// The port is required.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    text: String,
    pub(crate) addresses: Addresses,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Addresses {
    List(Vec<Address>),
    Dns(Address),
}

/// A host, a port, and whether TLS is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) authority: Authority,
    pub(crate) security: Security,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    Plaintext,
    Tls,
    /// TLS if the channel has a TLS configuration.
    ChannelDefault,
}

/// A text that is not a [`Target`], with every part of it that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TargetError(String);

impl Target {
    /// The accepted forms, to complete "accepted: …".
    pub const ACCEPTED: &'static str = "host:port, http://host:port or https://host:port, several of them \
                                        separated by commas, or dns:///host:port; localhost:3000 for \
                                        instance";

    /// Whether calls would leave this host in plain text. `has_tls`: whether the channel has a TLS
    /// configuration.
    pub fn is_plaintext_off_loopback(&self, has_tls: bool) -> bool {
        self.addresses().iter().any(|address| !address.is_tls(has_tls) && !address.is_loopback())
    }

    /// Whether an address requires TLS, by the scheme `https`.
    pub(crate) fn requires_tls(&self) -> bool {
        self.addresses().iter().any(|address| address.is_tls(false))
    }

    fn addresses(&self) -> &[Address] {
        match &self.addresses {
            Addresses::List(addresses) => addresses,
            Addresses::Dns(name) => std::slice::from_ref(name),
        }
    }
}

impl Address {
    pub(crate) fn is_tls(&self, has_tls: bool) -> bool {
        match self.security {
            Security::Plaintext => false,
            Security::Tls => true,
            Security::ChannelDefault => has_tls,
        }
    }

    /// The host in the form that the system's resolver accepts: an IPv6 address without brackets.
    pub(crate) fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    pub(crate) fn port(&self) -> u16 {
        // `parse` rejects an authority without a port.
        self.authority.port_u16().unwrap_or_default()
    }

    fn is_loopback(&self) -> bool {
        let host = self.host();
        host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    fn parse(text: &str, security: Security) -> Result<Self, String> {
        let wrong = |reason| format!("{text:?} {reason}");
        let authority: Authority = text.parse().map_err(|_| wrong("is not host:port"))?;
        if authority.host().is_empty() {
            return Err(wrong("has no host"));
        }
        if authority.as_str().contains('@') {
            return Err("a user and a password are not supported".to_owned());
        }
        match authority.port_u16() {
            Some(1..) => Ok(Self { authority, security }),
            Some(0) => Err(wrong("has port 0")),
            None => Err(wrong("has no port number")),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let addresses = match text.strip_prefix("dns:") {
            Some(name) => parse_dns(name).map(Addresses::Dns),
            None => parse_list(text).map(Addresses::List),
        };
        Ok(Self { text: text.to_owned(), addresses: addresses.map_err(TargetError)? })
    }
}

fn parse_dns(name: &str) -> Result<Address, String> {
    let name = match name.strip_prefix("//") {
        Some(rest) => {
            rest.strip_prefix('/').ok_or("dns: with a DNS server is not supported: use dns:///host:port")?
        }
        None => name,
    };
    if name.contains(',') {
        return Err("dns: takes one name".to_owned());
    }
    Address::parse(name, Security::ChannelDefault)
}

fn parse_list(text: &str) -> Result<Vec<Address>, String> {
    let (mut addresses, mut errors): (Vec<Address>, Vec<String>) = (Vec::new(), Vec::new());
    for part in text.split(',').map(str::trim) {
        match parse_listed(part) {
            Ok(address) if addresses.iter().any(|known| known.authority == address.authority) => {
                errors.push(format!("{part:?} is listed twice"));
            }
            Ok(address) => addresses.push(address),
            Err(error) => errors.push(error),
        }
    }
    if addresses.len() > LISTED_ADDRESSES_MAX {
        errors.push(format!("more than {LISTED_ADDRESSES_MAX} addresses"));
    }
    if errors.is_empty() { Ok(addresses) } else { Err(errors.join("; ")) }
}

fn parse_listed(part: &str) -> Result<Address, String> {
    if !part.contains("://") {
        return Address::parse(part, Security::ChannelDefault);
    }
    // An invalid URL is not shown: it may contain a password.
    let uri: Uri = part.parse().map_err(|_| "not a URL".to_owned())?;
    let security = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => Security::Plaintext,
        Some(scheme) if *scheme == Scheme::HTTPS => Security::Tls,
        _ => return Err("a scheme other than http, https and dns".to_owned()),
    };
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err("a URL with a path".to_owned());
    }
    Address::parse(uri.authority().map_or("", Authority::as_str), security)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, String> {
        text.parse().map_err(|error: TargetError| error.to_string())
    }

    #[test]
    fn address_has_host_port_and_optional_scheme() {
        for (text, host, security) in [
            ("localhost:3001", "localhost", Security::ChannelDefault),
            ("http://localhost:3001", "localhost", Security::Plaintext),
            ("https://pay.example:3001/", "pay.example", Security::Tls),
            ("[::1]:3001", "::1", Security::ChannelDefault),
            (" 10.0.0.1:3001 ", "10.0.0.1", Security::ChannelDefault),
        ] {
            let Addresses::List(addresses) = parse(text).unwrap().addresses else { panic!("{text}") };
            assert_eq!(
                (addresses[0].host(), addresses[0].port(), addresses[0].security),
                (host, 3001, security)
            );
        }
    }

    #[test]
    fn list_has_addresses_and_dns_one_name() {
        let Addresses::List(addresses) = parse("a:1, https://b:2,[::1]:3").unwrap().addresses else {
            panic!()
        };
        assert_eq!(addresses.len(), 3);
        for text in ["dns:///payment:3001", "dns:payment:3001"] {
            let Addresses::Dns(name) = parse(text).unwrap().addresses else { panic!("{text}") };
            assert_eq!((name.host(), name.port()), ("payment", 3001));
        }
    }

    #[test]
    fn other_forms_are_rejected_without_showing_a_password() {
        for text in [
            "",
            "localhost",
            "localhost:",
            "localhost:0",
            "localhost:99999",
            ":3001",
            "http://",
            "ftp://a:1",
            "http://a:1/path",
            "http://a:1/?q",
            "http://user:secret@a:1",
            "a b:1",
            "a:1,",
            "a:1,,b:2",
            "a:1,a:1",
            "dns:///",
            "dns:///a",
            "dns://8.8.8.8/a:1",
            "dns:///a:1,b:2",
            "dns:///a:1,dns:///b:1",
            "unix:/x",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn error_names_every_wrong_part() {
        let error = parse("a,b:1,c:0").unwrap_err();
        assert_eq!(error, "\"a\" has no port number; \"c:0\" has port 0");
    }

    #[test]
    fn plaintext_off_loopback_is_detected() {
        for (text, without_tls, with_tls) in [
            ("localhost:1", false, false),
            ("127.0.0.2:1,[::1]:1", false, false),
            ("localhost:1,pay:1", true, false),
            ("http://pay:1", true, true),
            ("https://pay:1", false, false),
            ("dns:///pay:1", true, false),
        ] {
            let target = parse(text).unwrap();
            assert_eq!(target.is_plaintext_off_loopback(false), without_tls, "{text}");
            assert_eq!(target.is_plaintext_off_loopback(true), with_tls, "{text}");
        }
    }
}
