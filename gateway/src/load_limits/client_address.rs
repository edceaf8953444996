//! The client address of a request, the key of its rate limit.
//!
//! It is the peer's address, unless the peer is a trusted proxy. Then it is the rightmost address in the
//! forwarding header that belongs to no trusted proxy: each proxy appends the address of its own client, and
//! everything left of the first untrusted address was written by that untrusted client (RFC 7239, section
//! 8.1).
//!
//! Only the header that `CLIENT_ADDRESS_HEADER` names is read. A proxy that writes one of the two headers
//! passes the other one through unchanged, so that reading both would let clients choose their address.

use std::{net::IpAddr, str::FromStr, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::{IpNet, Ipv6Net};

use super::forwarded;
use crate::limits::{IPV6_PREFIX_BITS, TRUSTED_PROXIES_MAX};

/// Parses the hops of a header line, in their order; `None` for a hop that is not an address.
type ParseHops = fn(&str) -> Vec<Option<IpAddr>>;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose forwarding header is trusted.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrustedProxies {
    trusted: Arc<[IpNet]>,
    header: ForwardingHeader,
}

/// The header in which proxies forward their client's address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ForwardingHeader {
    /// A list of addresses; not standardised.
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

    /// Parses a comma list of networks.
    pub(super) fn parse(text: &str) -> Option<Vec<IpNet>> {
        let network = |text: &str| {
            let text = text.trim();
            text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        };
        let networks: Option<Vec<IpNet>> = text.split(',').map(network).collect();
        networks.filter(|networks| networks.len() <= TRUSTED_PROXIES_MAX)
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// The client address of a request from `peer` with these headers. Where the header ends, or has a hop
    /// that is not an address, it is that of the last trusted proxy.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.trusted.is_empty() || !self.trusts(client) {
            return client;
        }
        let (name, parse): (_, ParseHops) = match self.header {
            ForwardingHeader::XForwardedFor => (X_FORWARDED_FOR, forwarded::x_forwarded_for),
            ForwardingHeader::Forwarded => (header::FORWARDED, forwarded::forwarded),
        };
        // The last proxy appends last.
        for line in headers.get_all(name).iter().rev() {
            for hop in parse_line(line, parse).into_iter().rev() {
                let Some(hop) = hop else { return client };
                client = hop.to_canonical();
                if !self.trusts(client) {
                    return client;
                }
            }
        }
        client
    }
}

/// The hops of one header line. A line that is not ASCII counts as one hop that is not an address.
fn parse_line(line: &HeaderValue, parse: ParseHops) -> Vec<Option<IpAddr>> {
    line.to_str().map_or_else(|_| vec![None], parse)
}

/// The key by which a client address is counted: for IPv6 its network of [`IPV6_PREFIX_BITS`].
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
    fn headers_of_an_untrusted_peer_are_ignored() {
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
    fn the_rightmost_untrusted_address_is_the_client() {
        for (line, client_address) in [
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
                client_address,
                "{line}"
            );
        }
        let lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.7, 10.0.0.2")];
        assert_eq!(client(ForwardingHeader::XForwardedFor, "10.0.0.1", &lines), "203.0.113.7");
        assert_eq!(client(ForwardingHeader::XForwardedFor, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn forwarded_is_parsed_like_x_forwarded_for() {
        for (line, client_address) in [
            ("for=203.0.113.7", "203.0.113.7"),
            ("For=\"203.0.113.7:80\";proto=https;by=10.0.0.1", "203.0.113.7"),
            ("for=1.1.1.1, for=\"[2001:db8:2::7]:4711\" , proto=http;for=10.0.0.5", "2001:db8:2::7"),
            ("for=1.1.1.1, for=_hidden", "10.0.0.1"),
            ("for=1.1.1.1, for=unknown, for=10.0.0.7", "10.0.0.7"),
            ("for=1.1.1.1, proto=https", "10.0.0.1"),
            // A client leaves a quote open, so that the text of its proxy would become part of its own.
            ("for=1.1.1.1;x=\", for=203.0.113.7", "10.0.0.1"),
            ("for=1.1.1.1;x=\", for=\"[2001:db8:2::7]\"", "10.0.0.1"),
            ("for=1.1.1.1;x=\"\\\", for=\"[2001:db8:2::7]\"", "10.0.0.1"),
        ] {
            assert_eq!(
                client(ForwardingHeader::Forwarded, "10.0.0.1", &[("forwarded", line)]),
                client_address,
                "{line}"
            );
        }
    }

    #[test]
    fn only_the_configured_header_is_read() {
        let lines = [("x-forwarded-for", "203.0.113.1"), ("forwarded", "for=203.0.113.2")];
        assert_eq!(client(ForwardingHeader::XForwardedFor, "10.0.0.1", &lines), "203.0.113.1");
        assert_eq!(client(ForwardingHeader::Forwarded, "10.0.0.1", &lines), "203.0.113.2");
    }

    #[test]
    fn an_ipv6_client_is_counted_by_its_network() {
        assert_eq!(client_key(address("2001:db8:2:3:4:5:6:7")), client_key(address("2001:db8:2:3::")));
        assert_ne!(client_key(address("2001:db8:2:3::")), client_key(address("2001:db8:2:4::")));
        assert_eq!(client_key(address("::ffff:192.0.2.9")), address("192.0.2.9"));
        assert_ne!(client_key(address("192.0.2.9")), client_key(address("192.0.2.8")));
    }
}
