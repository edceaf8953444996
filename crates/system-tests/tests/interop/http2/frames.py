"""Frames, settings and flow control (RFC 9113, sections 3 to 6): the same at every server."""

import struct

from cases import Case, connection_error, either, served, still_open, stream_error
from connection import (
    ACK,
    ENABLE_PUSH,
    END_HEADERS,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    PING,
    PREFACE,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    SETTINGS,
    UNKNOWN_TYPE,
    WINDOW_UPDATE,
    data,
    frame,
    reset,
    settings,
    window_update,
)

PING_BODY = b"12345678"
WINDOW_MAX = 2**31 - 1


def frame_cases(target):
    return [*settings_cases(target), *connection_frame_cases(target), *flow_control_cases(target)]


def settings_cases(target):
    protocol, size = connection_error(PROTOCOL_ERROR), connection_error(FRAME_SIZE_ERROR)
    unreadable = connection_error(PROTOCOL_ERROR, FRAME_SIZE_ERROR)
    whole = target.whole(1)

    def greeted(_target, connection):
        connection.wait(lambda: connection.acknowledged and connection.settings is not None, "the settings")
        assert connection.frames[0] == "SettingsFrame", connection.frames
        assert connection.settings.get(ENABLE_PUSH, 0) == 0, "section 6.5.2: a server sends no other value"
        assert connection.settings.get(MAX_CONCURRENT_STREAMS, 0) >= 100, "section 6.5.2: at least 100"

    return [
        Case("3.4", "the first frame is SETTINGS, and the client's is acknowledged", [], greeted),
        Case("3.4", "a first frame that is not SETTINGS: h2 takes it", [PREFACE, whole], served(), None),
        Case("3.4", "nonsense after the preface", [PREFACE, b"nonsense instead of frames"], unreadable, None),
        Case("3.4", "requests before the server's settings", [PREFACE, settings(), whole], served(), None),
        Case(
            "3.4",
            "the preface in two pieces",
            [PREFACE[:11], PREFACE[11:], settings(), whole],
            served(),
            None,
        ),
        Case("6.5", "SETTINGS of a stream", [settings(stream=1)], protocol),
        Case("6.5", "SETTINGS of 5 bytes", [frame(SETTINGS, 0, 0, b"12345")], size),
        Case("6.5", "an acknowledgement with a payload", [settings([(1, 1)], ACK)], size),
        Case("6.5.2", "ENABLE_PUSH of 2", [settings([(ENABLE_PUSH, 2)])], protocol),
        Case("6.5.2", "ENABLE_PUSH of 1 from a client", [settings([(ENABLE_PUSH, 1)]), whole], served()),
        Case(
            "6.5.2",
            "INITIAL_WINDOW_SIZE above 2^31 - 1",
            [settings([(INITIAL_WINDOW_SIZE, 2**31)])],
            connection_error(FLOW_CONTROL_ERROR),
        ),
        Case("6.5.2", "MAX_FRAME_SIZE of 16,383", [settings([(MAX_FRAME_SIZE, 16_383)])], protocol),
        Case("6.5.2", "MAX_FRAME_SIZE of 2^24", [settings([(MAX_FRAME_SIZE, 2**24)])], protocol),
        Case(
            "6.5.2", "MAX_FRAME_SIZE of 2^24 - 1", [settings([(MAX_FRAME_SIZE, 2**24 - 1)]), whole], served()
        ),
        Case("6.5.2", "an unknown setting", [settings([(0xABCD, 7), (0, 0)]), whole], served()),
        Case(
            "6.5.2",
            "no concurrent streams to the client",
            [settings([(MAX_CONCURRENT_STREAMS, 0)]), whole],
            served(),
        ),
        Case("6.5.3", "an empty SETTINGS is acknowledged", [settings()], acknowledged(2)),
        Case("6.5.3", "each of three SETTINGS is acknowledged", [settings() * 3], acknowledged(4)),
        Case(
            "6.5.3",
            "an acknowledgement that nobody awaits",
            [settings(flags=ACK) * 3],
            either(still_open, protocol),
        ),
        Case(
            "4.3.1", "no dynamic table for responses", [settings([(HEADER_TABLE_SIZE, 0)]), whole], served()
        ),
        Case(
            "4.3.1",
            "a dynamic table of 2^32 - 1",
            [settings([(HEADER_TABLE_SIZE, 2**32 - 1)]), whole],
            served(),
        ),
    ]


def acknowledged(times):
    def check(target, connection):
        connection.wait(lambda: connection.acknowledged >= times, f"{times} acknowledgements")
        target.assert_serves(connection)
        assert connection.acknowledged == times, connection.acknowledged

    return check


def connection_frame_cases(target):
    protocol, size = connection_error(PROTOCOL_ERROR), connection_error(FRAME_SIZE_ERROR)
    whole, begun = target.whole(1), target.begun(1)

    def ponged(target, connection):
        connection.ping(PING_BODY)
        assert connection.pongs == [PING_BODY], connection.pongs
        target.assert_serves(connection)

    def ponged_never(target, connection):
        target.assert_serves(connection)
        assert connection.pongs == [], connection.pongs

    goaway = struct.pack(">II", 0, 0)
    return [
        Case(
            "4.1",
            "an unknown frame type of the connection",
            [frame(UNKNOWN_TYPE, 0xFF, 0, b"x" * 99)],
            still_open,
        ),
        Case(
            "4.1",
            "an unknown frame type of an open stream",
            [begun, frame(UNKNOWN_TYPE, 0, 1, b"x")],
            still_open,
        ),
        Case("5.1", "an unknown frame type of an idle stream", [frame(UNKNOWN_TYPE, 0, 7, b"x")], still_open),
        Case("4.1", "undefined flags", [frame(PING, 0xFE, 0, PING_BODY), whole], served()),
        Case(
            "4.1",
            "the reserved bit of a stream identifier",
            [frame(PING, 0, 2**31, PING_BODY), whole],
            served(),
        ),
        Case(
            "4.2", "a frame of 16,385 bytes of the connection", [frame(SETTINGS, 0, 0, b"x" * 16_386)], size
        ),
        Case("4.2", "HEADERS of 16,385 bytes", [frame(HEADERS, END_HEADERS, 1, b"x" * 16_385)], size),
        Case(
            "4.2",
            "DATA of 16,385 bytes",
            [begun, data(1, b"x" * 16_385)],
            either(stream_error(FRAME_SIZE_ERROR), size),
        ),
        Case("4.2", "an unknown type of 16,385 bytes", [frame(UNKNOWN_TYPE, 0, 0, b"x" * 16_385)], size),
        Case("6.7", "PING is acknowledged with its payload", [], ponged),
        Case(
            "6.7",
            "an acknowledgement of PING has no response",
            [frame(PING, ACK, 0, PING_BODY)],
            ponged_never,
        ),
        Case("6.7", "PING of a stream", [frame(PING, 0, 1, PING_BODY)], protocol),
        Case("6.7", "PING of 6 bytes", [frame(PING, 0, 0, b"123456")], size),
        Case("6.7", "PING of 9 bytes", [frame(PING, 0, 0, b"123456789")], size),
        Case("6.8", "GOAWAY of a stream", [frame(GOAWAY, 0, 1, goaway)], protocol),
        Case("6.8", "GOAWAY of 7 bytes", [frame(GOAWAY, 0, 0, b"1234567")], size),
        Case("6.8", "a request before GOAWAY is served", [whole, frame(GOAWAY, 0, 0, goaway)], responded),
        Case("7", "an unknown error code", [begun, reset(1, 0xFFFF)], still_open),
        Case(
            "8.4",
            "PUSH_PROMISE from a client",
            [begun, frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2")],
            protocol,
        ),
    ]


def responded(_target, connection):
    """The response of stream 1, whatever becomes of the connection."""
    connection.wait(lambda: connection.stream(1).ended, "the response")
    assert connection.stream(1).status == 200, connection


def flow_control_cases(target):
    protocol, size = connection_error(PROTOCOL_ERROR), connection_error(FRAME_SIZE_ERROR)
    whole, begun = target.whole(1), target.begun(1)
    no_window = [(INITIAL_WINDOW_SIZE, 0)]

    def held_back(connection):
        connection.wait(lambda: connection.stream(1).status is not None, "the head of the response")
        connection.ping()
        assert connection.stream(1).body == b"", "section 6.9.1: DATA beyond the window"

    def byte_by_byte(connection):
        held_back(connection)
        for sent in range(1, 3):
            connection.send(window_update(1, 1))
            connection.wait(lambda: len(connection.stream(1).body) >= sent, "a byte of the response")
            connection.ping(b"%08d" % sent)
            assert len(connection.stream(1).body) == sent, connection.stream(1).body
        connection.send(enlarged)

    def shrunk(connection):
        """The window is 1 - 2 = -1, then 0, then 1."""
        held_back(connection)
        connection.send(window_update(1, 1))
        connection.wait(lambda: connection.stream(1).body, "the first byte")
        connection.send(settings([(INITIAL_WINDOW_SIZE, 1)]), settings([(INITIAL_WINDOW_SIZE, 0)]))
        connection.ping(b"shrunk..")
        received = len(connection.stream(1).body)
        assert received <= 2, connection.stream(1).body
        connection.send(settings([(INITIAL_WINDOW_SIZE, 1_000_000)]))

    enlarged = settings([(INITIAL_WINDOW_SIZE, 1_000_000)])
    overflow = connection_error(FLOW_CONTROL_ERROR)
    stream_overflow = either(stream_error(FLOW_CONTROL_ERROR), overflow)
    return [
        Case("6.9", "an increment of 0 of the connection", [window_update(0, 0)], protocol),
        Case(
            "6.9",
            "an increment of 0 of a stream",
            [begun, window_update(1, 0)],
            either(stream_error(PROTOCOL_ERROR), protocol),
        ),
        Case("6.9", "WINDOW_UPDATE of 3 bytes", [frame(WINDOW_UPDATE, 0, 0, b"123")], size),
        Case(
            "6.9", "WINDOW_UPDATE of 5 bytes of a stream", [begun, frame(WINDOW_UPDATE, 0, 1, b"12345")], size
        ),
        Case("5.1", "WINDOW_UPDATE of an idle stream", [window_update(1, 1)], protocol),
        Case("6.9", "the reserved bit of an increment", [window_update(0, 2**31 + 1), whole], served()),
        Case("6.9", "WINDOW_UPDATE after the end of the request", [whole, window_update(1, 1)], served()),
        Case("5.1", "WINDOW_UPDATE after the response", [whole, 1, window_update(1, 1)], still_open),
        Case(
            "6.9.1", "the window of the connection above 2^31 - 1", [window_update(0, WINDOW_MAX)], overflow
        ),
        Case(
            "6.9.1",
            "the window of a stream above 2^31 - 1",
            [begun, window_update(1, WINDOW_MAX)],
            stream_overflow,
        ),
        Case(
            "6.9.1",
            "two increments of a stream above 2^31 - 1",
            [begun, window_update(1, 2**30) * 2],
            stream_overflow,
        ),
        Case(
            "6.9.2",
            "settings that take a stream's window above 2^31 - 1",
            [begun, window_update(1, WINDOW_MAX - 65_535), settings([(INITIAL_WINDOW_SIZE, WINDOW_MAX)])],
            overflow,
        ),
        Case(
            "6.9.1",
            "no window: the head alone",
            [whole, held_back, window_update(1, 1_000_000), enlarged],
            served(),
            no_window,
        ),
        Case("6.9.1", "a window of one byte", [whole, byte_by_byte], served(), no_window),
        Case(
            "6.9.2",
            "settings enlarge the window of an open stream",
            [whole, held_back, enlarged],
            served(),
            no_window,
        ),
        Case("6.9.2", "settings shrink the window of an open stream", [whole, shrunk], served(), no_window),
        Case(
            "6.5.3",
            "settings of one frame in their order",
            [settings([(INITIAL_WINDOW_SIZE, 9), (INITIAL_WINDOW_SIZE, 0)]), whole, held_back, enlarged],
            served(),
        ),
    ]
