"""Floods of frames (RFC 9113, section 10.5): the server serves on, or closes the connection."""

from cases import Case
from connection import (
    COMPRESSION_ERROR,
    CONTINUATION,
    END_HEADERS,
    ENHANCE_YOUR_CALM,
    HEADERS,
    PING,
    PROTOCOL_ERROR,
    UNKNOWN_TYPE,
    Connection,
    block,
    data,
    frame,
    reset,
    settings,
    string,
    window_update,
)


def flood_cases(target):
    last = frame(PING, 0, 0, b"flooded.")
    field = b"\0" + string("x") + string("x" * 100)
    opened = frame(HEADERS, target.end, 1, block(target.fields()))
    reset_at_once = b"".join(target.whole(number) + reset(number) for number in range(1, 6_001, 2))
    return [
        Case(
            "10.5",
            "CONTINUATION without end",
            [opened, frame(CONTINUATION, 0, 1, field * 100) * 400],
            refused,
        ),
        Case(
            "10.5", "empty CONTINUATION without end", [opened, frame(CONTINUATION, 0, 1) * 100_000], refused
        ),
        Case("10.5.1", "a field section above the limit", [long_head(target)], refused),
        Case("10.5", "3,000 requests, each reset at once", [reset_at_once, last], bounded),
        Case("10.5", "10,000 PING", [frame(PING, 0, 0, b"12345678") * 10_000, last], bounded),
        Case("10.5", "10,000 SETTINGS", [settings([(1, 4096)]) * 10_000, last], bounded),
        Case("10.5", "10,000 WINDOW_UPDATE", [window_update(0, 1) * 10_000, last], bounded),
        Case("10.5", "10,000 empty DATA", [target.begun(1), data(1) * 10_000, last], bounded),
        Case("10.5", "10,000 unknown frames", [frame(UNKNOWN_TYPE, 0, 0) * 10_000, last], bounded),
    ]


def bounded(target, connection):
    """All frames are handled, or the connection ends; another connection is served."""
    ended = lambda: connection.goaway is not None or b"flooded." in connection.pongs
    connection.wait(ended, "an end")
    serves_others(target)


def refused(target, connection):
    """431, a reset stream or the end of the connection; another connection is served."""
    connection.wait(lambda: connection.goaway is not None or connection.stream(1).done(), "a refusal")
    found = connection.stream(1)
    ended = connection.goaway in (ENHANCE_YOUR_CALM, PROTOCOL_ERROR, COMPRESSION_ERROR) or connection.closed
    assert ended or found.status == 431 or found.reset is not None, connection
    serves_others(target)


def serves_others(target):
    other = Connection(target.address)
    target.assert_serves(other)
    other.close()


def long_head(target):
    """A field section of 80 KB in six frames."""
    field = b"\0" + string("x") + string("x" * 1_000)
    first = frame(HEADERS, target.end, 1, block(target.fields()) + field * 15)
    more = frame(CONTINUATION, 0, 1, field * 16) * 4
    return first + more + frame(CONTINUATION, END_HEADERS, 1, field) + target.body(1)
