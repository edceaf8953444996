//! Where the other service is: a list of places, or a name to ask DNS for.

use std::{fmt, net::IpAddr, str::FromStr};

use http::uri::{Authority, Scheme, Uri};

/// Endpoints of one list.
pub const LISTED_MAX: usize = 256;

/// Where a service is.
///
/// | written | means |
/// |---|---|
/// | `host:port` | one place; TLS where the channel was given some, else plain text |
/// | `http://host:port` | one place, plain text |
/// | `https://host:port` | one place, TLS |
/// | several of these, separated by commas | one endpoint each |
/// | `dns:///host:port`, `dns:host:port` | every address that the name has, asked for again and again (gRFC A1 and the gRPC naming document) |
///
/// A port is always needed: there is none to guess.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    text: String,
    pub(crate) places: Places,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Places {
    Listed(Vec<Place>),
    Dns(Place),
}

/// A host, a port, and what is said of how to speak there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) authority: Authority,
    pub(crate) security: Security,
}

/// How a place wants to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// Plain text.
    Plain,
    /// TLS.
    Tls,
    /// TLS where the channel has some.
    AsConfigured,
}

/// A text that is no [`Target`], with every part of it that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TargetError(String);

impl Target {
    /// What is accepted, to complete the sentence "accepted: …".
    pub const ACCEPTED: &'static str = "host:port, http://host:port or https://host:port, several of them separated by commas, \
                                        or dns:///host:port; localhost:3000 for instance";

    /// Whether calls would cross a network in plain text, for a channel that has TLS or not.
    pub fn is_plaintext_off_loopback(&self, has_tls: bool) -> bool {
        self.listed().iter().any(|place| !place.is_tls(has_tls) && !place.is_loopback())
    }

    fn listed(&self) -> &[Place] {
        match &self.places {
            Places::Listed(places) => places,
            Places::Dns(place) => std::slice::from_ref(place),
        }
    }
}

impl Place {
    pub(crate) fn is_tls(&self, has_tls: bool) -> bool {
        match self.security {
            Security::Plain => false,
            Security::Tls => true,
            Security::AsConfigured => has_tls,
        }
    }

    /// The host as the system's resolver takes it: an IPv6 address without its brackets.
    pub(crate) fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    pub(crate) fn port(&self) -> u16 {
        // Parsing saw to it that there is one.
        self.authority.port_u16().unwrap_or_default()
    }

    fn is_loopback(&self) -> bool {
        let host = self.host();
        host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    fn parse(text: &str, security: Security) -> Result<Self, String> {
        let wrong = |why| format!("{text:?} {why}");
        let authority: Authority = text.parse().map_err(|_| wrong("is not host:port"))?;
        if authority.host().is_empty() {
            return Err(wrong("names no host"));
        }
        if authority.as_str().contains('@') {
            return Err("a user and a password have no meaning here".to_owned());
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
        let places = match text.strip_prefix("dns:") {
            Some(name) => parse_dns(name).map(Places::Dns),
            None => parse_list(text).map(Places::Listed),
        };
        Ok(Self { text: text.to_owned(), places: places.map_err(TargetError)? })
    }
}

fn parse_dns(name: &str) -> Result<Place, String> {
    let name = match name.strip_prefix("//") {
        Some(rest) => {
            rest.strip_prefix('/').ok_or("dns: takes no server of its own: write dns:///host:port")?
        }
        None => name,
    };
    if name.contains(',') {
        return Err("dns: takes one name".to_owned());
    }
    Place::parse(name, Security::AsConfigured)
}

fn parse_list(text: &str) -> Result<Vec<Place>, String> {
    let (mut places, mut wrong): (Vec<Place>, Vec<String>) = (Vec::new(), Vec::new());
    for part in text.split(',').map(str::trim) {
        match parse_listed(part) {
            Ok(place) if places.iter().any(|known| known.authority == place.authority) => {
                wrong.push(format!("{part:?} is listed twice"));
            }
            Ok(place) => places.push(place),
            Err(why) => wrong.push(why),
        }
    }
    if places.len() > LISTED_MAX {
        wrong.push(format!("more than {LISTED_MAX} places"));
    }
    if wrong.is_empty() { Ok(places) } else { Err(wrong.join("; ")) }
}

fn parse_listed(part: &str) -> Result<Place, String> {
    if !part.contains("://") {
        return Place::parse(part, Security::AsConfigured);
    }
    // Nothing of a text that cannot be read is shown: it may hold a password.
    let uri: Uri = part.parse().map_err(|_| "not a URL".to_owned())?;
    let security = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => Security::Plain,
        Some(scheme) if *scheme == Scheme::HTTPS => Security::Tls,
        _ => return Err("a scheme that is neither http, https nor dns".to_owned()),
    };
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err("a URL with a path".to_owned());
    }
    Place::parse(uri.authority().map_or("", Authority::as_str), security)
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
    fn a_place_has_a_host_and_a_port_and_perhaps_a_scheme() {
        for (text, host, security) in [
            ("localhost:3001", "localhost", Security::AsConfigured),
            ("http://localhost:3001", "localhost", Security::Plain),
            ("https://pay.example:3001/", "pay.example", Security::Tls),
            ("[::1]:3001", "::1", Security::AsConfigured),
            (" 10.0.0.1:3001 ", "10.0.0.1", Security::AsConfigured),
        ] {
            let Places::Listed(places) = parse(text).unwrap().places else { panic!("{text}") };
            assert_eq!((places[0].host(), places[0].port(), places[0].security), (host, 3001, security));
        }
    }

    #[test]
    fn a_list_names_places_and_dns_one_name() {
        let Places::Listed(places) = parse("a:1, https://b:2,[::1]:3").unwrap().places else { panic!() };
        assert_eq!(places.len(), 3);
        for text in ["dns:///payment:3001", "dns:payment:3001"] {
            let Places::Dns(place) = parse(text).unwrap().places else { panic!("{text}") };
            assert_eq!((place.host(), place.port()), ("payment", 3001));
        }
    }

    #[test]
    fn anything_else_is_refused() {
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
            let refused = parse(text).unwrap_err();
            assert!(!refused.contains("secret"), "{refused}");
        }
    }

    #[test]
    fn every_part_that_is_wrong_is_named() {
        let refused = parse("a,b:1,c:0").unwrap_err();
        assert_eq!(refused, "\"a\" has no port number; \"c:0\" has port 0");
    }

    #[test]
    fn plain_text_off_loopback_is_known_as_such() {
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
