//! Parsers of the two headers in which proxies forward their client's address. A hop that is not an address
//! is `None`.

use std::net::{IpAddr, SocketAddr};

use crate::field_list::{quotes_match, split};

/// The hops of one line of `X-Forwarded-For`, in their order.
pub(super) fn x_forwarded_for(line: &str) -> Vec<Option<IpAddr>> {
    line.split(',').map(|hop| address(hop.trim())).collect()
}

/// The hops of one line of `Forwarded` (RFC 7239, section 4), in their order. A line with an unmatched quote
/// counts as one hop that is not an address: its parts cannot be attributed to proxies.
pub(super) fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    if !quotes_match(line) {
        return vec![None];
    }
    split(line, ',').map(element).collect()
}

fn element(text: &str) -> Option<IpAddr> {
    split(text, ';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        if !name.eq_ignore_ascii_case("for") {
            return None;
        }
        // Addresses contain no escapes.
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        address(quoted.unwrap_or(value))
    })
}

/// Parses an address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}
