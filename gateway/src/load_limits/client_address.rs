//! Which address a request is counted for.
//!
//! It is the peer's, unless the peer is a trusted proxy. Then it is the rightmost address in the header that proxies
//! are said to write which is no trusted proxy's: each proxy adds the address that it was called from, and
//! what stands left of the first stranger was written by that stranger (RFC 7239, section 8.1).
//!
//! Only the one header is read that `CLIENT_ADDRESS_HEADER` names. A proxy that writes the one passes the other
//! through as its client sent it, so that reading both would let anyone choose an address.

use std::{net::IpAddr, str::FromStr, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::{IpNet, Ipv6Net};

use super::forwarded;
use crate::limits::{IPV6_PREFIX_BITS, TRUSTED_PROXIES_MAX};

/// How the hops of a header line are read, in their order; `None` for one that is no address.
type ParseHops = fn(&str) -> Vec<Option<IpAddr>>;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word is taken, and where they give it.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedProxies {
    trusted: Arc<[IpNet]>,
    header: ForwardingHeader,
}

/// A header that proxies tell their client's address in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ForwardingHeader {
    /// A list of addresses, which no standard describes.
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// A text that names no [`ForwardingHeader`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither x-forwarded-for nor forwarded")]
pub(super) struct ForwardingHeaderError;

impl FromStr for ForwardingHeader {
    type Err = ForwardingHeaderError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case(X_FORWARDED_FOR.as_str()) {
            Ok(Self::XForwardedFor)
        } else if text.eq_ignore_ascii_case(header::FORWARDED.as_str()) {
            Ok(Self::Forwarded)
        } else {
            Err(ForwardingHeaderError)
        }
    }
}

impl TrustedProxies {
    pub(super) const ACCEPTED: &'static str =
        "a comma list of networks and addresses, 10.0.0.0/8,2001:db8::/32,192.0.2.1 for instance";

    pub(super) fn new(trusted: Vec<IpNet>, header: ForwardingHeader) -> Self {
        Self { trusted: trusted.into(), header }
    }

    /// The networks of a comma list.
    pub(super) fn parse(text: &str) -> Option<Vec<IpNet>> {
        let network = |text: &str| {
            let text = text.trim();
            text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        };
        let networks: Option<Vec<IpNet>> = text.split(',').map(network).collect();
        networks.filter(|networks| networks.len() <= TRUSTED_PROXIES_MAX)
    }

    /// Whether `address` is one of the proxies.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// The client of a request with these headers that came from `peer`. Where the header ends, or says something that is
    /// no address, it is the last proxy whose word could be taken.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut known = peer.to_canonical();
        if self.trusted.is_empty() || !self.trusts(known) {
            return known;
        }
        let (name, parse): (_, ParseHops) = match self.header {
            ForwardingHeader::XForwardedFor => (X_FORWARDED_FOR, forwarded::x_forwarded_for),
            ForwardingHeader::Forwarded => (header::FORWARDED, forwarded::forwarded),
        };
        // What was added last stands last.
        for line in headers.get_all(name).iter().rev() {
            for hop in parse_line(line, parse).into_iter().rev() {
                let Some(hop) = hop else { return known };
                known = hop.to_canonical();
                if !self.trusts(known) {
                    return known;
                }
            }
        }
        known
    }
}

/// The addresses of one header line; a line that is no text has one that cannot be read.
fn parse_line(line: &HeaderValue, parse: ParseHops) -> Vec<Option<IpAddr>> {
    line.to_str().map_or_else(|_| vec![None], parse)
}

/// What an address is counted as: an IPv6 address is its network of [`IPV6_PREFIX_BITS`].
pub(crate) fn client_key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            Ipv6Net::new(v6, IPV6_PREFIX_BITS).map_or(IpAddr::V6(v6), |network| network.network().into())
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn client(header: ForwardingHeader, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let trusted = TrustedProxies::parse("10.0.0.0/8, 2001:db8:1::/48 ,192.0.2.1").unwrap();
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines.iter().map(line) {
            headers.append(name, value);
        }
        TrustedProxies::new(trusted, header).client(address(peer), &headers).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let lines = [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.7")];
        for header in [ForwardingHeader::XForwardedFor, ForwardingHeader::Forwarded] {
            assert_eq!(client(header, "198.51.100.9", &lines), "198.51.100.9");
        }
        assert_eq!(
            TrustedProxies::default().client(address("::ffff:10.0.0.1"), &HeaderMap::new()),
            address("10.0.0.1")
        );
    }

    #[test]
    fn a_proxy_is_believed_up_to_the_first_stranger_from_the_right() {
        for (line, found) in [
            ("203.0.113.7", "203.0.113.7"),
            ("1.1.1.1, 203.0.113.7", "203.0.113.7"),
            ("1.1.1.1, 203.0.113.7, 10.9.9.9, 192.0.2.1", "203.0.113.7"),
            ("10.2.2.2, 10.3.3.3", "10.2.2.2"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("2001:db8:2::7", "2001:db8:2::7"),
            ("[2001:db8:2::7]:443, 2001:db8:1::1", "2001:db8:2::7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("1.1.1.1, unknown", "10.0.0.1"),
            ("1.1.1.1, unknown, 10.7.7.7", "10.7.7.7"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(
                client(ForwardingHeader::XForwardedFor, "10.0.0.1", &[("x-forwarded-for", line)]),
                found,
                "{line}"
            );
        }
        let lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.7, 10.0.0.2")];
        assert_eq!(client(ForwardingHeader::XForwardedFor, "10.0.0.1", &lines), "203.0.113.7");
        assert_eq!(client(ForwardingHeader::XForwardedFor, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn the_standard_header_is_read_alike() {
        for (line, found) in [
            ("for=203.0.113.7", "203.0.113.7"),
            ("For=\"203.0.113.7:80\";proto=https;by=10.0.0.1", "203.0.113.7"),
            ("for=1.1.1.1, for=\"[2001:db8:2::7]:4711\" , proto=http;for=10.0.0.5", "2001:db8:2::7"),
            ("for=1.1.1.1, for=_hidden", "10.0.0.1"),
            ("for=1.1.1.1, for=unknown, for=10.0.0.7", "10.0.0.7"),
            ("for=1.1.1.1, proto=https", "10.0.0.1"),
            // Quotes that a client left open, to have what its proxy adds taken for its own text.
            ("for=1.1.1.1;x=\", for=203.0.113.7", "10.0.0.1"),
            ("for=1.1.1.1;x=\", for=\"[2001:db8:2::7]\"", "10.0.0.1"),
            ("for=1.1.1.1;x=\"\\\", for=\"[2001:db8:2::7]\"", "10.0.0.1"),
        ] {
            assert_eq!(
                client(ForwardingHeader::Forwarded, "10.0.0.1", &[("forwarded", line)]),
                found,
                "{line}"
            );
        }
    }

    #[test]
    fn only_the_one_header_is_read() {
        let lines = [("x-forwarded-for", "203.0.113.1"), ("forwarded", "for=203.0.113.2")];
        assert_eq!(client(ForwardingHeader::XForwardedFor, "10.0.0.1", &lines), "203.0.113.1");
        assert_eq!(client(ForwardingHeader::Forwarded, "10.0.0.1", &lines), "203.0.113.2");
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        assert_eq!(client_key(address("2001:db8:2:3:4:5:6:7")), client_key(address("2001:db8:2:3::")));
        assert_ne!(client_key(address("2001:db8:2:3::")), client_key(address("2001:db8:2:4::")));
        assert_eq!(client_key(address("::ffff:192.0.2.9")), address("192.0.2.9"));
        assert_ne!(client_key(address("192.0.2.9")), client_key(address("192.0.2.8")));
    }
}
