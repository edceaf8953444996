//! Parsers of the two headers in which proxies forward their client's address. A hop that is not an address
//! is `None`.

use std::net::{IpAddr, SocketAddr};

/// The hops of one line of `X-Forwarded-For`, in their order.
pub(super) fn x_forwarded_for(line: &str) -> Vec<Option<IpAddr>> {
    line.split(',').map(|hop| address(hop.trim())).collect()
}

/// The hops of one line of `Forwarded` (RFC 7239, section 4), in their order. A line with an unmatched quote
/// counts as one hop that is not an address: its parts cannot be attributed to proxies.
pub(super) fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    let Some(elements) = split(line, ',') else { return vec![None] };
    elements.into_iter().map(element).collect()
}

fn element(text: &str) -> Option<IpAddr> {
    split(text, ';')?.into_iter().find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        if !name.eq_ignore_ascii_case("for") {
            return None;
        }
        // Addresses contain no escapes.
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        address(quoted.unwrap_or(value))
    })
}

/// Splits `text` at each `mark` outside of quotes; `None` where a quote stays open.
fn split(text: &str, mark: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if c == mark && !quoted => {
                parts.push(&text[start..at]);
                start = at + mark.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// Parses an address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}
