"""Streams, header blocks, padding and priorities (RFC 9113, sections 5 and 6): the same at every server."""

import struct

from cases import Case, connection_error, either, served, still_open, stream_error
from connection import (
    CANCEL,
    CONTINUATION,
    END_HEADERS,
    FRAME_SIZE_ERROR,
    HEADERS,
    MAX_CONCURRENT_STREAMS,
    PADDED,
    PING,
    PRIORITIZED,
    PRIORITY,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    RST_STREAM,
    STREAM_CLOSED,
    UNKNOWN_TYPE,
    block,
    data,
    frame,
    headers,
    reset,
    settings,
)


def stream_cases(target):
    return [
        *stream_state_cases(target),
        *header_block_cases(target),
        *padding_cases(target),
        *priority_cases(target),
    ]


def stream_state_cases(target):
    protocol, size = connection_error(PROTOCOL_ERROR), connection_error(FRAME_SIZE_ERROR)
    whole, begun = target.whole(1), target.begun(1)
    closed_before = connection_error(STREAM_CLOSED, PROTOCOL_ERROR)

    def limited(target, connection):
        """One stream more than allowed, each with a request that has not ended."""
        connection.wait(lambda: connection.settings is not None, "the settings")
        allowed = connection.settings[MAX_CONCURRENT_STREAMS]
        numbers = range(1, 2 * allowed + 2, 2)
        connection.send(*[target.held(number) for number in numbers])
        last = connection.wait_for(numbers[-1])
        assert last.reset in (REFUSED_STREAM, PROTOCOL_ERROR), connection
        open_streams = [number for number in numbers[:-1] if connection.stream(number).done()]
        assert not open_streams, open_streams

    return [
        Case("5.1", "DATA of an idle stream", [data(1, b"x")], protocol),
        Case("5.1", "RST_STREAM of an idle stream", [reset(1)], protocol),
        Case("5.1", "CONTINUATION of an idle stream", [frame(CONTINUATION, END_HEADERS, 1, b"")], protocol),
        Case(
            "5.1",
            "DATA after the end of the request",
            [target.whole(1), data(1, b"x")],
            closed_stream,
        ),
        Case(
            "5.1",
            "HEADERS after the end of the request",
            [target.whole(1), headers(1, target.fields())],
            closed_stream,
        ),
        Case(
            "5.1",
            "DATA after RST_STREAM",
            [begun, reset(1), data(1, b"x", end=True)],
            either(still_open, closed_stream),
        ),
        Case(
            "5.1",
            "HEADERS after RST_STREAM",
            [begun, reset(1), target.whole(1)],
            either(still_open, closed_stream),
        ),
        Case(
            "5.1",
            "DATA after the response",
            [whole, 1, data(1, b"x")],
            closed_stream,
        ),
        Case(
            "5.1",
            "HEADERS after the response",
            [whole, 1, headers(1, target.fields())],
            closed_stream,
        ),
        Case("5.1.1", "an even stream identifier", [target.whole(2)], protocol),
        Case(
            "5.1.1",
            "a stream identifier below an earlier one",
            [target.whole(5), 5, target.whole(3)],
            closed_before,
        ),
        Case(
            "5.1.1",
            "stream identifiers with gaps",
            [target.whole(7), 7, target.whole(101)],
            served(stream=101),
        ),
        Case("5.1.2", "more streams than allowed", [], limited),
        Case("5.4.1", "HEADERS of the connection", [headers(0, target.fields())], protocol),
        Case("6.1", "DATA of the connection", [data(0, b"x")], protocol),
        Case("6.4", "RST_STREAM of the connection", [reset(0)], protocol),
        Case("6.4", "RST_STREAM of 3 bytes", [begun, frame(RST_STREAM, 0, 1, b"123")], size),
        Case("6.4", "RST_STREAM of 5 bytes", [begun, frame(RST_STREAM, 0, 1, b"12345")], size),
        Case(
            "6.4", "a request after a reset one", [begun, reset(1, CANCEL), target.whole(3)], served(stream=3)
        ),
        Case("6.4", "RST_STREAM after the response", [whole, 1, reset(1)], still_open),
        Case(
            "8.1",
            "trailers that do not end the stream",
            [begun, headers(1, [("x", "y")], end=False)],
            either(stream_error(PROTOCOL_ERROR), protocol),
        ),
        Case("8.1", "two requests at a time", [target.begun(1), target.whole(3)], served(stream=3)),
    ]


def closed_stream(_target, connection):
    """An error of the stream or the connection, also if the response has ended the stream before the frame."""
    found = connection.stream(1)
    connection.wait(lambda: found.reset is not None or connection.goaway is not None, "an error")
    error = found.reset if connection.goaway is None else connection.goaway
    assert error in (STREAM_CLOSED, PROTOCOL_ERROR), connection


def header_block_cases(target):
    protocol = connection_error(PROTOCOL_ERROR)
    fields = block(target.fields())
    end, body = target.end, target.body(1)
    head = frame(HEADERS, end, 1, fields[:9])
    rest = frame(CONTINUATION, END_HEADERS, 1, fields[9:])
    pieces = [frame(CONTINUATION, 0, 1, fields[at : at + 50]) for at in range(9, len(fields), 50)]
    last = frame(CONTINUATION, END_HEADERS, 1)
    return [
        Case("6.10", "HEADERS and CONTINUATION", [head, rest, body], served()),
        Case("6.10", "HEADERS and several CONTINUATION", [head, *pieces, last, body], served()),
        Case(
            "6.10",
            "an empty HEADERS before CONTINUATION",
            [frame(HEADERS, end, 1), frame(CONTINUATION, END_HEADERS, 1, fields), body],
            served(),
        ),
        Case(
            "6.10",
            "CONTINUATION after END_HEADERS",
            [target.begun(1), frame(CONTINUATION, END_HEADERS, 1, fields)],
            protocol,
        ),
        Case(
            "6.10",
            "CONTINUATION after DATA",
            [target.begun(1), data(1, b""), frame(CONTINUATION, END_HEADERS, 1)],
            protocol,
        ),
        Case(
            "6.10",
            "CONTINUATION of another stream",
            [head, frame(CONTINUATION, END_HEADERS, 3, fields[9:])],
            protocol,
        ),
        Case(
            "6.10",
            "CONTINUATION of the connection",
            [head, frame(CONTINUATION, END_HEADERS, 0, fields[9:])],
            protocol,
        ),
        Case("4.3", "DATA within a header block", [head, data(1, b"x")], protocol),
        Case("4.3", "PING within a header block", [head, frame(PING, 0, 0, b"12345678"), rest], protocol),
        Case("4.3", "SETTINGS within a header block", [head, settings(), rest], protocol),
        Case(
            "4.3",
            "HEADERS of another stream within a header block",
            [head, headers(3, fields), rest],
            protocol,
        ),
        Case(
            "5.5",
            "an unknown type within a header block",
            [head, frame(UNKNOWN_TYPE, 0, 1, b"x"), rest],
            protocol,
        ),
        Case("6.10", "RST_STREAM within a header block", [head, reset(1), rest], protocol),
    ]


def padding_cases(target):
    protocol, size = connection_error(PROTOCOL_ERROR), connection_error(FRAME_SIZE_ERROR, PROTOCOL_ERROR)
    fields, begun = block(target.fields()), target.begun(1)
    padded = b"\x07" + fields + b"\0" * 7
    body = target.body(1) and data(1, b"\x03" + target.message + b"\0\0\0", end=True, flags=PADDED)
    flags = END_HEADERS | target.end
    return [
        Case("6.2", "padded HEADERS and DATA", [frame(HEADERS, flags | PADDED, 1, padded), body], served()),
        Case(
            "6.2", "padding of 0 bytes", [frame(HEADERS, flags | PADDED, 1, b"\0" + fields), body], served()
        ),
        Case("6.1", "DATA of padding alone", [begun, data(1, b"\0", flags=PADDED)], still_open),
        Case("6.1", "padding as long as DATA", [begun, data(1, b"\x05xxxxx", flags=PADDED)], still_open),
        Case("6.1", "padding longer than DATA", [begun, data(1, b"\x06xxxxx", flags=PADDED)], protocol),
        Case("6.1", "padded DATA without a length", [begun, data(1, b"", flags=PADDED)], size),
        Case(
            "6.2",
            "padding longer than HEADERS",
            [frame(HEADERS, flags | PADDED, 1, b"\xff" + fields[:20])],
            protocol,
        ),
        Case("6.2", "padded HEADERS without a length", [frame(HEADERS, flags | PADDED, 1)], size),
    ]


def priority_cases(target):
    whole, fields = target.whole(1), block(target.fields())
    flags, body = PRIORITIZED | END_HEADERS | target.end, target.body(1)
    itself = struct.pack(">IB", 1, 15)
    size = either(stream_error(FRAME_SIZE_ERROR), connection_error(FRAME_SIZE_ERROR))
    refused = either(served(), stream_error(PROTOCOL_ERROR), connection_error(PROTOCOL_ERROR))
    return [
        Case("6.3", "PRIORITY of an idle stream", [frame(PRIORITY, 0, 9, b"\0\0\0\0\x0f"), whole], served()),
        Case(
            "6.3",
            "PRIORITY of a closed stream",
            [whole, 1, frame(PRIORITY, 0, 1, b"\0\0\0\0\x0f")],
            still_open,
        ),
        Case(
            "6.3",
            "PRIORITY of the connection",
            [frame(PRIORITY, 0, 0, b"\0\0\0\0\x0f")],
            connection_error(PROTOCOL_ERROR),
        ),
        Case("6.3", "PRIORITY of 4 bytes", [target.begun(1), frame(PRIORITY, 0, 1, b"\0\0\0\0")], size),
        Case(
            "6.2",
            "HEADERS with a priority",
            [frame(HEADERS, flags, 1, b"\0\0\0\0\x0f" + fields), body],
            served(),
        ),
        Case(
            "6.2",
            "a stream that depends on itself",
            [frame(HEADERS, flags, 1, itself + fields), body],
            refused,
        ),
    ]
