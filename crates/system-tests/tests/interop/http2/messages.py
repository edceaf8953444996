"""Requests to the gateway: their fields, bodies and trailers (RFC 9113, section 8), and refusals at once."""

import json

from cases import Case, either, malformed, served
from connection import data, headers, window_update

# The user of every order of this script.
USER = 700_001
ORDER = b'{"user_id":700001,"order_items":[{"product_code":"sku1","unit_price":0.12,"quantity":1}]}'
LENGTH = str(len(ORDER))
# How long a response may take that waits for nothing, on a loaded machine.
AT_ONCE_SECONDS = 1


def message_cases(target):
    return [
        *field_cases(target),
        *pseudo_field_cases(target),
        *authority_cases(target),
        *length_cases(target),
        *trailer_cases(target),
        *refusal_cases(target),
        *response_cases(target),
    ]


def field_cases(target):
    def sent(rule, name, field, expected):
        return Case(rule, name, [headers(1, [*target.fields(), field])], expected)

    split = [*target.fields(), ("cookie", "a=b"), ("cookie", "c=d")]
    return [
        sent("8.2.1", "a field name in upper case", ("X-Name", "a"), malformed()),
        sent("8.2.1", "a field name with one upper-case letter", ("x-namE", "a"), malformed()),
        sent("8.2.1", "an empty field name", ("", "a"), malformed()),
        sent("8.2.1", "a field name with a space", ("x y", "a"), malformed()),
        sent("8.2.1", "a field name with NUL", ("x\0", "a"), malformed()),
        sent("8.2.1", "a field name with DEL", ("x\x7f", "a"), malformed()),
        sent("8.2.1", "a field name above ASCII", (b"x\xe9", "a"), malformed()),
        sent("8.2.1", "a field name with a colon", ("x:y", "a"), malformed()),
        sent("8.2.1", "a field value with NUL", ("x", "a\0b"), malformed()),
        sent("8.2.1", "a field value with LF", ("x", "a\nb"), malformed()),
        sent("8.2.1", "a field value with CR", ("x", "a\rb"), malformed()),
        sent("8.2.1", "a field value of a request", ("x", "a\r\n\r\nGET / HTTP/1.1"), malformed()),
        sent("8.2.1", "a field value that begins with a space", ("x", " a"), malformed()),
        sent("8.2.1", "a field value that ends with a tab", ("x", "a\t"), malformed()),
        sent("8.2.1", "an empty field value", ("x", ""), served()),
        sent("8.2.1", "a field value above ASCII", ("x", b"\xe9"), served()),
        sent("8.2.2", "Connection", ("connection", "close"), malformed()),
        sent("8.2.2", "Keep-Alive", ("keep-alive", "timeout=5"), malformed()),
        sent("8.2.2", "Proxy-Connection", ("proxy-connection", "keep-alive"), malformed()),
        sent("8.2.2", "Transfer-Encoding", ("transfer-encoding", "chunked"), malformed()),
        sent("8.2.2", "Upgrade", ("upgrade", "websocket"), malformed()),
        sent("8.2.2", "TE of trailers", ("te", "trailers"), served()),
        sent("8.2.2", "TE of a coding", ("te", "gzip"), malformed()),
        sent("8.2.2", "TE of trailers and a coding", ("te", "trailers, gzip"), malformed()),
        Case("8.2.3", "a cookie in two fields", [headers(1, split)], served()),
        sent("10.5.1", "a field of 15,000 bytes", ("x", "x" * 15_000), served()),
    ]


def pseudo_field_cases(target):
    def sent(rule, name, fields, expected):
        return Case(rule, name, [headers(1, fields)], expected)

    def without(name):
        return [field for field in target.fields() if field[0] != name]

    late = [*without(":path"), ("x", "y"), (":path", "/livez")]
    tunnel = [(":method", "CONNECT"), (":authority", "gateway:80")]
    connect = either(malformed(), served(404, 405, 501))
    cases = [
        sent("8.3", "a pseudo-header field after a field", late, malformed()),
        sent("8.3", "an unknown pseudo-header field", [*target.fields(), (":unknown", "x")], malformed()),
        sent("8.3", "an empty pseudo-header name", [*target.fields(), (":", "x")], malformed()),
        sent(
            "8.3", "a pseudo-header field of responses", [*target.fields(), (":status", "200")], malformed()
        ),
        sent("8.3", "pseudo-header fields in another order", target.fields()[::-1], served()),
        sent("8.3.1", "no :method", without(":method"), malformed()),
        sent("8.3.1", "no :scheme", without(":scheme"), malformed()),
        sent("8.3.1", "no :path", without(":path"), malformed()),
        sent("8.3.1", "no pseudo-header field", [("x", "y")], malformed()),
        sent("8.3.1", "no field at all", [], malformed()),
        sent("8.3.1", "an empty :method", target.fields(""), malformed()),
        sent("8.3.1", "a :method that is no token", target.fields("GE T"), malformed()),
        sent("8.3.1", "a :scheme that is none", target.fields(scheme="ht tp"), malformed()),
        sent("8.3.1", "an empty :path", target.fields(path=""), malformed()),
        sent("8.3.1", "a :path without a slash", target.fields(path="livez"), malformed()),
        sent("8.3.1", "a :path of an asterisk and GET", target.fields(path="*"), malformed()),
        sent("8.3.1", "a :path of an asterisk and POST", target.fields("POST", "*"), malformed()),
        sent("8.3.1", "a :path of an asterisk and OPTIONS", target.fields("OPTIONS", "*"), served(200, 204)),
        sent("8.3.1", "a :path with a space", target.fields(path="/li vez"), malformed()),
        sent(
            "8.3.1", "a :path with a fragment: http::Uri drops it", target.fields(path="/livez#x"), served()
        ),
        sent("9110 15.5.15", "a :path of 9,000 bytes", target.fields(path="/" + "x" * 9_000), served(414)),
        sent("8.3.1", "a :path with CR and LF", target.fields(path="/livez\r\nx: y"), malformed()),
        sent("8.3.1", "a :path in absolute form", target.fields(path="http://gateway/livez"), malformed()),
        sent("9.1", "an unknown :method", target.fields("BREW"), served(501)),
        sent("9.1", "a :method in lower case", target.fields("get"), served(501)),
        sent("8.5", "CONNECT", tunnel, connect),
        sent("8.5", "CONNECT with :path", [*tunnel, (":path", "/livez")], malformed()),
        sent("8.5", "CONNECT with :scheme", [*tunnel, (":scheme", "http")], malformed()),
        sent("8.5", "CONNECT without :authority", tunnel[:1], malformed()),
        sent(
            "8441 4",
            ":protocol without the setting",
            [*target.fields("CONNECT"), (":protocol", "websocket")],
            malformed(),
        ),
    ]
    for field in target.fields():
        twice = sent("8.3", f"{field[0]} twice", [field, *target.fields()], malformed())
        differs = sent(
            "8.3", f"{field[0]} twice, differently", [(field[0], "other"), *target.fields()], malformed()
        )
        cases += [twice, differs]
    return cases


def authority_cases(target):
    def sent(name, authority, hosts, expected):
        fields = target.fields(authority=authority) + [("host", host) for host in hosts]
        return Case("8.3.1", name, [headers(1, fields)], expected)

    return [
        sent("Host alone", None, ["gateway"], served()),
        sent("Host as :authority", "gateway", ["gateway"], served()),
        sent("Host other than :authority", "gateway", ["other"], malformed()),
        sent("Host with another port than :authority", "gateway:1", ["gateway:2"], malformed()),
        sent("neither Host nor :authority", None, [], malformed()),
        sent("an empty :authority", "", [], malformed()),
        sent("an empty Host", None, [""], malformed()),
        sent(":authority with a user", "user@gateway", [], malformed()),
        sent(":authority with a path", "gateway/x", [], malformed()),
        sent(":authority with a space", "gate way", [], malformed()),
        sent(":authority with a port of letters", "gateway:x", [], malformed()),
        sent(":authority of IPv6", "[::1]:8080", [], served()),
        sent("two Hosts", None, ["gateway", "gateway"], malformed()),
        sent("two Hosts beside :authority", "gateway", ["gateway", "other"], malformed()),
        sent("an invalid Host", None, ["a b"], malformed()),
    ]


def length_cases(target):
    def sent(name, lengths, body, expected):
        """An order with these lengths; the body comes in these frames, the last of which ends the stream."""
        frames = [data(1, part, end=part is body[-1]) for part in body]
        fields = target.order(*[("content-length", length) for length in lengths])
        return Case("8.1.1", name, [headers(1, fields, end=not body), *frames], expected)

    half = [ORDER[:40], ORDER[40:]]
    return [
        sent("Content-Length of the body", [LENGTH], [ORDER], served(201)),
        sent("Content-Length of two frames", [LENGTH], half, served(201)),
        sent("Content-Length and an empty last frame", [LENGTH], [ORDER, b""], served(201)),
        sent("no Content-Length", [], half, served(201)),
        sent("Content-Length above the body", ["200"], [ORDER], malformed()),
        sent("Content-Length below the body", ["40"], [ORDER], malformed()),
        sent("Content-Length below the first of two frames", ["20"], half, malformed()),
        sent("Content-Length above 0 without a body", ["5"], [], malformed()),
        sent("Content-Length of 0 with a body", ["0"], [ORDER], malformed()),
        sent("Content-Length that is no number", ["x"], [ORDER], malformed()),
        sent("Content-Length with a sign", ["+" + LENGTH], [ORDER], malformed()),
        sent("Content-Length below 0", ["-1"], [ORDER], malformed()),
        sent("two Content-Lengths that differ", [LENGTH, "5"], [ORDER], malformed()),
        sent("Content-Length of 2^64", [str(2**64)], [ORDER], either(malformed(), served(413))),
    ]


def trailer_cases(target):
    def sent(name, trailers, expected, rule="8.1"):
        trailing = headers(1, trailers)
        return Case(rule, name, [headers(1, target.order(), end=False), data(1, ORDER), trailing], expected)

    return [
        sent("trailers", [("x-checksum", "1")], served(201)),
        sent("empty trailers", [], served(201)),
        sent("a pseudo-header field in trailers: h2 drops it", [(":path", "/livez")], served(201)),
        sent(":status in trailers: h2 drops it", [(":status", "200")], served(201)),
        sent("an unknown pseudo-header field in trailers", [(":x", "y")], malformed()),
        sent("an upper-case name in trailers", [("X", "y")], malformed(), "8.2.1"),
        sent("Connection in trailers", [("connection", "close")], malformed(), "8.2.2"),
        sent("LF in the value of a trailer", [("x", "a\nb")], malformed(), "8.2.1"),
        sent(
            "Content-Length in trailers changes nothing",
            [("content-length", "5")],
            either(served(201), malformed()),
        ),
    ]


def refusal_cases(target):
    """The head of a request with a body that never comes."""

    def at_once(status):
        def check(_target, connection):
            connection.wait(
                lambda: connection.stream(1).status or connection.stream(1).reset is not None, "a response"
            )
            found = connection.stream(1)
            assert found.status == status, f"expected {status}; {connection}"
            assert found.responded_after < AT_ONCE_SECONDS, f"{status} after {found.responded_after:.2f} s"
            served(status)(target, connection)

        return check

    def sent(status, name, method, path, *fields, begin=b""):
        head = headers(1, [*target.fields(method, path), *fields], end=False)
        return Case("8.1", f"{status} {name}", [head, begin], at_once(status))

    def window(connection):
        connection.wait(lambda: connection.windows.get(1), "WINDOW_UPDATE of the stream")

    def greeted(connection):
        """The windows of the stream and the connection hold the whole body."""
        connection.wait(lambda: connection.settings is not None and connection.windows.get(0), "the windows")

    too_much = [greeted, data(1, b" " * 16_384) * 4, window, data(1, b" ")]
    kind, long = ("content-type", "application/json"), ("content-length", "100")
    return [
        sent(404, "of an unknown path", "POST", "/nothing", kind, long),
        sent(404, "without a length", "POST", "/nothing", kind),
        sent(404, "in the middle of a body", "POST", "/nothing", kind, long, begin=data(1, b"half")),
        sent(405, "of another method", "PUT", "/orders", kind, long),
        sent(406, "of an unacceptable response", "POST", "/orders", kind, long, ("accept", "text/html")),
        sent(412, "of a condition", "POST", "/orders", kind, long, ("if-match", '"x"')),
        sent(413, "of a declared length", "POST", "/orders", kind, ("content-length", "900000")),
        Case(
            "8.1",
            "413 of a body sent so far",
            [headers(1, target.order(), end=False), *too_much],
            at_once(413),
        ),
        sent(415, "of another media type", "POST", "/orders", ("content-type", "text/plain"), long),
        sent(415, "of a compressed body", "POST", "/orders", kind, long, ("content-encoding", "gzip")),
        sent(501, "of an unknown method", "BREW", "/orders", kind, long),
        sent(200, "of a request that needs no body", "GET", "/livez", long),
    ]


def response_cases(target):
    def whole(status, check):
        return served(status, body=check)

    def sound(found):
        """The fields of every response (sections 8.2 and 8.3.2)."""
        names = [name for name, _ in found.fields]
        assert names[0] == ":status" and names.count(":status") == 1, names
        assert all(name == name.lower() for name in names), names
        assert not {"connection", "keep-alive", "transfer-encoding", "upgrade"} & set(names), names
        assert "date" in names, names

    def document(found):
        sound(found)
        assert int(dict(found.fields)["content-length"]) == len(found.body), found.fields
        json.loads(found.body)

    def bodiless(found):
        sound(found)
        assert found.body == b"" and "content-length" in dict(found.fields), found

    def refused(found):
        sound(found)
        assert json.loads(found.body)["status"] == found.status, found.body

    def large(connection):
        """The response is larger than the window, so that it ends after WINDOW_UPDATE alone."""
        connection.wait(lambda: len(connection.stream(1).body) >= 65_535, "a window of the response")
        connection.ping()
        assert len(connection.stream(1).body) == 65_535, len(connection.stream(1).body)
        connection.send(window_update(0, 1_000_000), window_update(1, 1_000_000))

    expect = headers(1, target.order(("expect", "100-continue"), ("content-length", LENGTH)), end=False)
    return [
        Case(
            "8.1",
            "a response of problem+json",
            [headers(1, target.fields(path="/nothing"))],
            whole(404, refused),
        ),
        Case(
            "8.1",
            "HEAD has no body",
            [headers(1, target.fields("HEAD", "/openapi.json"))],
            whole(200, bodiless),
        ),
        Case(
            "6.9.1",
            "a response above the window",
            [headers(1, target.fields(path="/openapi.json")), large],
            whole(200, document),
        ),
        Case(
            "8.1",
            "a response of an order",
            [headers(1, target.order(), end=False), data(1, ORDER, end=True)],
            whole(201, document),
        ),
        Case("8.1", "Expect of a body that is there", [expect, data(1, ORDER, end=True)], expected_body),
    ]


def expected_body(target, connection):
    """100 may come before the response."""
    connection.wait(lambda: connection.stream(1).ended, "the response")
    statuses = [value for name, value in connection.stream(1).fields if name == ":status"]
    assert statuses[-1] in ("201",), connection.stream(1).fields
