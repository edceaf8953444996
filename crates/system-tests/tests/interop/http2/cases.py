"""Cases: frames to send, and what the server must do."""

from connection import END_STREAM, NO_ERROR, PROTOCOL_ERROR, Connection, data, headers


class Target:
    """A server, and a request that it serves."""

    # The body of the request.
    message = b""

    def __init__(self, address):
        self.address = address

    @property
    def end(self):
        """The flag END_STREAM if the head is the whole request."""
        return 0 if self.message else END_STREAM

    def body(self, stream):
        """The frames after the head."""
        return data(stream, self.message, end=True) if self.message else b""

    def whole(self, stream):
        """The frames of the request."""
        return headers(stream, self.fields(), end=not self.message) + self.body(stream)

    def assert_serves(self, connection):
        """Asserts that the connection serves a further request, on the last stream."""
        number = 2**31 - 1
        connection.send(self.whole(number))
        stream = connection.wait_for(number)
        assert (
            stream.status == 200 and stream.ended
        ), f"the connection serves no further request; {connection}"


class Gateway(Target):
    """Asks whether the process is alive."""

    def fields(self, method="GET", path="/livez", scheme="http", authority="gateway"):
        """The fields of a request; None leaves one out."""
        fields = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
        return [field for field in fields if field[1] is not None]

    def order(self, *further):
        """The fields of an order, whose body is to follow."""
        return self.fields("POST", "/orders") + [("content-type", "application/json"), *further]

    def begun(self, stream):
        """The head of a request whose body is still to come."""
        return headers(stream, self.order(), end=False)

    def held(self, stream):
        """The same, of a request that the server permits on every stream of a connection at a time."""
        return self.begun(stream)


class Grpc(Target):
    """Checks the health of the whole server."""

    message = b"\0\0\0\0\0"

    def fields(self, method="Check"):
        fields = [(":method", "POST"), (":scheme", "http"), (":authority", "order")]
        path = (":path", f"/grpc.health.v1.Health/{method}")
        return [*fields, path, ("content-type", "application/grpc"), ("te", "trailers")]

    def begun(self, stream):
        return headers(stream, self.fields(), end=False)

    def held(self, stream):
        """Fewer checks than streams may be open, but more watches."""
        return headers(stream, self.fields("Watch"), end=False)


class Case:
    """Steps: bytes to send, or the number of a stream whose end is awaited, or a function of the connection."""

    def __init__(self, rule, name, steps, expected, initial=()):
        self.rule, self.name, self.steps, self.expected, self.initial = rule, name, steps, expected, initial

    def run(self, target):
        """Returns the number of orders that the server says it placed."""
        connection = Connection(target.address, self.initial)
        try:
            for step in self.steps:
                if isinstance(step, bytes):
                    connection.send(step)
                elif isinstance(step, int):
                    connection.wait_for(step)
                else:
                    step(connection)
            self.expected(target, connection)
            return sum(1 for stream in connection.streams.values() if stream.status == 201)
        finally:
            connection.close()


def connection_error(*codes):
    """GOAWAY with one of these codes, then the end of the connection (RFC 9113, section 5.4.1).

    The h2 crate sends PROTOCOL_ERROR, the code of an unspecific violation (section 7), for most of those that
    have a code of their own.
    """

    def check(_target, connection):
        connection.wait(lambda: False, "the end of the connection")
        assert connection.goaway in (*codes, PROTOCOL_ERROR), f"expected GOAWAY {codes}; {connection}"

    return check


def stream_error(*codes, stream=1):
    """RST_STREAM with one of these codes; the connection serves further requests (section 5.4.2)."""

    def check(target, connection):
        found = connection.wait_for(stream)
        assert found.reset in codes, f"expected RST_STREAM {codes}; {connection}"
        target.assert_serves(connection)

    return check


def malformed(stream=1):
    """A stream error PROTOCOL_ERROR, or 400 before it, after which the connection serves further requests
    (section 8.1.1). A server may treat it as an error of the connection (section 5.4.1).
    """

    def check(target, connection):
        found = connection.wait_for(stream)
        if connection.goaway is not None:
            return connection_error(PROTOCOL_ERROR)(target, connection)
        refused = found.reset == PROTOCOL_ERROR and found.status is None or found.status == 400
        assert refused, f"expected 400, RST_STREAM or GOAWAY; {connection}"
        return target.assert_serves(connection)

    return check


def either(*expected):
    """One of several outcomes, where the RFC leaves the choice to the server."""

    def check(target, connection):
        failures = []
        for one in expected:
            try:
                return one(target, connection)
            except AssertionError as failure:
                failures.append(str(failure))
        raise AssertionError(" | ".join(failures))

    return check


def served(*statuses, stream=1, body=None):
    """A whole response with one of these statuses; the connection serves further requests."""

    def check(target, connection):
        found = connection.wait_for(stream)
        whole = found.status in (statuses or (200,)) and found.ended and found.reset in (None, NO_ERROR)
        assert whole, f"expected {statuses or 200}; {connection}"
        if body is not None:
            body(found)
        target.assert_serves(connection)

    return check


def still_open(target, connection):
    """The server ignores the frames."""
    connection.ping()
    target.assert_serves(connection)
