//! The two headers that proxies write their client's address in: who called each hop, in their order. What is no address
//! is `None`.

use std::net::{IpAddr, SocketAddr};

/// The addresses of one line of `X-Forwarded-For`.
pub(super) fn x_forwarded_for(line: &str) -> Vec<Option<IpAddr>> {
    line.split(',').map(|hop| address(hop.trim())).collect()
}

/// The addresses of one line of `Forwarded` (RFC 7239, section 4). A line with quotes that do not match has one that
/// cannot be read: nobody knows what of it was written by whom.
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
        // No address needs an escape.
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        address(quoted.unwrap_or(value))
    })
}

/// The parts of `text` between marks that stand in no quotes; `None` where a quote is left open.
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

/// An address, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}
