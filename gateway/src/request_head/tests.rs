//! Heads that are rejected, answered without a resource, or normalized.

use http::HeaderName;

use super::*;

fn request(method: &str, target: &str, version: Version, headers: &[(HeaderName, &str)]) -> Request<()> {
    let request = Request::builder().method(method).uri(target).version(version);
    headers.iter().fold(request, |request, (name, value)| request.header(name, *value)).body(()).unwrap()
}

/// The status of the response to a request, and whether it closes the connection.
fn status(request: &Request<()>) -> Option<(u16, bool)> {
    reject_ambiguous(request)
        .or_else(|| respond_without_resource(request))
        .map(|response| (response.status().as_u16(), response.headers().contains_key(header::CONNECTION)))
}

fn with_hosts(version: Version, target: &str, hosts: &[&str]) -> Option<(u16, bool)> {
    let hosts: Vec<_> = hosts.iter().map(|host| (header::HOST, *host)).collect();
    status(&request("GET", target, version, &hosts))
}

#[test]
fn http_1_1_requires_one_valid_host() {
    for host in [
        "a",
        "a:80",
        "A.Example:",
        "127.0.0.1:8080",
        "[::1]",
        "[2001:db8::1]:8080",
        "xn--a_b~c.example",
        "%61",
        "a!$&'()*+,;=b",
    ] {
        assert_eq!(with_hosts(Version::HTTP_11, "/", &[host]), None, "{host}");
    }
    for host in [
        "",
        ":80",
        "a b",
        "a/",
        "a/@c",
        "http://a/",
        "user@a",
        "a:b",
        "a:80:80",
        "::1",
        "[::1",
        "[::1]x",
        "[::1]:x",
        "[a]",
        "[]",
        "a?b",
        "a#b",
        "a\\b",
        "%6",
        "%zz",
        "<a>",
        "\u{e9}",
    ] {
        let value = http::HeaderValue::from_bytes(host.as_bytes()).unwrap();
        let mut request = request("GET", "/", Version::HTTP_11, &[]);
        request.headers_mut().insert(header::HOST, value);
        assert_eq!(status(&request), Some((400, true)), "{host}");
    }
    for hosts in [&[][..], &["a", "b"], &["a", "a"]] {
        assert_eq!(with_hosts(Version::HTTP_11, "/", hosts), Some((400, true)), "{hosts:?}");
    }
}

#[test]
fn the_host_of_an_absolute_target_replaces_that_of_the_header() {
    assert_eq!(with_hosts(Version::HTTP_11, "http://a/livez", &["b"]), None);
    assert_eq!(with_hosts(Version::HTTP_11, "http://a/livez", &[]), Some((400, true)));
    assert_eq!(with_hosts(Version::HTTP_11, "http://user@a/livez", &["a"]), Some((400, true)));
    assert_eq!(with_hosts(Version::HTTP_11, "http://a", &["a"]), None);
}

#[test]
fn http_1_0_needs_no_host() {
    assert_eq!(with_hosts(Version::HTTP_10, "/", &[]), None);
    assert_eq!(with_hosts(Version::HTTP_10, "/", &["a", "a"]), Some((400, true)));
    assert_eq!(with_hosts(Version::HTTP_10, "/", &["a b"]), Some((400, true)));
}

#[test]
fn http_2_requires_a_host_or_an_authority_and_the_same_in_both() {
    for (target, hosts) in [
        ("http://a/", &[][..]),
        ("/", &["a"]),
        ("http://a/", &["A"]),
        ("http://a:80/", &["a"]),
        ("http://[::1]:8080/", &["[::1]:8080"]),
    ] {
        assert_eq!(with_hosts(Version::HTTP_2, target, hosts), None, "{target} {hosts:?}");
    }
    for (target, hosts) in [
        ("/", &[][..]),
        ("http://a/", &["b"]),
        ("http://a/", &["a", "a"]),
        ("http://a:81/", &["a"]),
        ("http://user@a/", &[]),
        ("/", &["a b"]),
    ] {
        // No Connection field over HTTP/2 (RFC 9113, section 8.2.2).
        assert_eq!(with_hosts(Version::HTTP_2, target, hosts), Some((400, false)), "{target} {hosts:?}");
    }
}

#[test]
fn a_value_over_http_2_has_no_white_space_around_it() {
    for (value, expected) in
        [("a b", None), ("", None), (" a", Some((400, false))), ("a\t", Some((400, false)))]
    {
        let headers = [(header::USER_AGENT, value)];
        assert_eq!(status(&request("GET", "http://a/", Version::HTTP_2, &headers)), expected, "{value:?}");
    }
}

#[test]
fn a_target_is_a_path_or_an_http_uri() {
    let host = &[(header::HOST, "a")][..];
    for (method, target, expected) in [
        ("GET", "/a?b", None),
        ("GET", "https://a/b", None),
        ("OPTIONS", "*", Some((204, false))),
        ("GET", "*", Some((400, true))),
        ("POST", "*", Some((400, true))),
        ("GET", "/\u{e9}", Some((400, true))),
        ("GET", "/?\u{e9}", Some((400, true))),
        ("GET", "ftp://a/b", Some((400, true))),
        ("GET", "a:80", Some((400, true))),
        ("CONNECT", "a:80", Some((501, false))),
    ] {
        let found = status(&request(method, target, Version::HTTP_11, host));
        assert_eq!(found, expected, "{method} {target}");
    }
}

#[test]
fn options_of_the_server_names_the_methods() {
    let response =
        respond_without_resource(&request("OPTIONS", "*", Version::HTTP_11, &[(header::HOST, "a")])).unwrap();
    assert_eq!(response.headers()[header::ALLOW], METHODS);
}

#[test]
fn a_long_target_is_rejected() {
    for (path, query, expected) in [
        (TARGET_BYTES_MAX, None, None),
        (TARGET_BYTES_MAX + 1, None, Some((414, false))),
        (2, Some(TARGET_BYTES_MAX - 3), None),
        (2, Some(TARGET_BYTES_MAX - 2), Some((414, false))),
    ] {
        let query = query.map_or(String::new(), |bytes| format!("?{}", "q".repeat(bytes)));
        let target = format!("/{}{query}", "p".repeat(path - 1));
        assert_eq!(with_hosts(Version::HTTP_11, &target, &["a"]), expected);
    }
}

#[test]
fn an_unknown_method_is_not_implemented() {
    for method in ["FOO", "get", "PROPFIND", "QUERY", "M-SEARCH"] {
        let found = status(&request(method, "/orders", Version::HTTP_11, &[(header::HOST, "a")]));
        assert_eq!(found, Some((501, false)), "{method}");
    }
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let found = status(&request(method, "/orders", Version::HTTP_11, &[(header::HOST, "a")]));
        assert_eq!(found, None, "{method}");
    }
}

#[test]
fn chunked_is_the_only_transfer_coding_and_is_applied_once() {
    for (codings, expected) in [
        (&[][..], None),
        (&["chunked"], None),
        (&["Chunked"], None),
        (&[" chunked ,"], None),
        (&["chunked, chunked"], Some((400, true))),
        (&["chunked", "chunked"], Some((400, true))),
        (&["gzip, chunked"], Some((501, true))),
        (&["gzip", "chunked"], Some((501, true))),
        (&["chunked, gzip"], Some((501, true))),
        (&["chunked;a=b"], Some((501, true))),
        (&["identity, chunked"], Some((501, true))),
    ] {
        let headers: Vec<_> = std::iter::once((header::HOST, "a"))
            .chain(codings.iter().map(|coding| (header::TRANSFER_ENCODING, *coding)))
            .collect();
        assert_eq!(status(&request("POST", "/orders", Version::HTTP_11, &headers)), expected, "{codings:?}");
    }
}

#[test]
fn unreserved_characters_of_a_path_are_decoded() {
    for (target, expected) in [
        ("/orders/1?a=%41", "/orders/1?a=%41"),
        ("/%6frders/1", "/orders/1"),
        ("/%6Frders?user%5Fid=%31", "/orders?user%5Fid=%31"),
        ("/%6f%72%64%65%72%73", "/orders"),
        ("/a%2Fb%2f", "/a%2Fb%2f"),
        ("/%2E%2e/%7e%2D%5F", "/../~-_"),
        ("/%256f", "/%256f"),
        ("/%", "/%"),
        ("/%6", "/%6"),
        ("/%zz%6f", "/%zzo"),
        ("/%C3%A9%6f", "/%C3%A9o"),
        ("http://a/%6frders", "http://a/orders"),
    ] {
        let mut normalized = request("GET", target, Version::HTTP_11, &[]);
        normalize_path(&mut normalized);
        assert_eq!(normalized.uri().to_string(), expected);
    }
}
