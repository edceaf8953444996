//! Which links of a backend are safe to show, and their `Link` header.

use http::HeaderValue;

/// Bytes of one URL. A longer one is rejected rather than truncated, since a truncated URL leads elsewhere.
pub(super) const HREF_BYTES_MAX: usize = 1024;

/// Whether `href` is an https URL with a host, without user or password, and only of URI characters (RFC
/// 3986, section 2). Such a URL cannot break out of a header, an attribute or the `<…>` of `Link`.
pub(super) fn is_safe(href: &str) -> bool {
    let Some((scheme, rest)) = href.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    href.len() <= HREF_BYTES_MAX
        && scheme.eq_ignore_ascii_case("https")
        && !authority.is_empty()
        && !authority.starts_with(':')
        && !authority.contains('@')
        && href.bytes().all(is_uri_byte)
}

fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

/// `Link: <…>; rel="help"` (RFC 8288).
pub(super) fn header(href: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("<{href}>; rel=\"help\"")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_urls_are_safe() {
        for href in [
            "https://a.example",
            "HTTPS://a.example/x?y=z#f",
            "https://a.example:8443/%20(1)",
            "https://[::1]/",
        ] {
            assert!(is_safe(href), "{href}");
        }
    }

    #[test]
    fn other_urls_are_unsafe() {
        let long = format!("https://a.example/{}", "x".repeat(HREF_BYTES_MAX));
        for href in [
            "",
            "a.example",
            "//a.example",
            "http://a.example",
            "javascript:alert(1)//https://",
            "javascript://a.example/%0Aalert(1)",
            "https:a.example",
            "https://",
            "https:///path",
            "https://:443/",
            "https://user:password@a.example",
            "https://a.example/\r\nSet-Cookie: a=b",
            "https://a.example/>; rel=\"canonical\", <",
            "https://a.example/a b",
            "https://a.example/\u{e9}",
            " https://a.example",
            &long,
        ] {
            assert!(!is_safe(href), "{href:?}");
        }
    }
}
