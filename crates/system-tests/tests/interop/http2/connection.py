"""A raw HTTP/2 connection, for frames that no HTTP/2 library sends."""

import socket
import struct
import time

import hpack
from hyperframe.frame import Frame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WAIT_SECONDS_MAX = 20

# Frame types (RFC 9113, section 6), and one that is not defined.
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION, UNKNOWN_TYPE = 8, 9, 0xBB

# Flags.
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITIZED = 0x20

# Settings (section 6.5.2).
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = range(1, 6)

# Error codes (section 7).
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED = range(6)
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM = range(6, 12)


def frame(kind, flags, stream, payload=b""):
    """The bytes of a frame, valid or not."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(values=(), flags=0, stream=0):
    return frame(SETTINGS, flags, stream, b"".join(struct.pack(">HI", name, value) for name, value in values))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def reset(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def data(stream, payload=b"", end=False, flags=0):
    return frame(DATA, flags | (END_STREAM if end else 0), stream, payload)


def string(text):
    """A string literal without Huffman coding (RFC 7541, section 5.2)."""
    text = text if isinstance(text, bytes) else text.encode()
    return hpack.hpack.encode_integer(len(text), 7) + text


def block(fields):
    """A header block of literals that enter no table (section 6.2.2)."""
    return b"".join(b"\0" + string(name) + string(value) for name, value in fields)


def headers(stream, fields, end=True, flags=END_HEADERS):
    payload = fields if isinstance(fields, bytes) else block(fields)
    return frame(HEADERS, flags | (END_STREAM if end else 0), stream, payload)


class Stream:
    """What the server sent on one stream."""

    def __init__(self):
        self.status = None
        self.fields = []
        self.body = b""
        self.ended = False
        self.reset = None
        self.responded_after = None

    def done(self):
        return self.ended or self.reset is not None

    def __repr__(self):
        return f"status {self.status}, ended {self.ended}, reset {self.reset}"


class Connection:
    def __init__(self, address, initial=()):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), WAIT_SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.decoder = hpack.Decoder()
        self.unread = b""
        self.streams = {}
        self.frames = []
        self.pongs = []
        # The increments of the windows, by stream.
        self.windows = {}
        self.settings = None
        self.acknowledged = 0
        self.goaway = None
        self.closed = False
        self.sent = time.monotonic()
        if initial is not None:
            self.send(PREFACE, settings(initial))

    def __repr__(self):
        shown = dict(list(self.streams.items())[:3])
        return f"closed {self.closed}, GOAWAY {self.goaway}, {len(self.streams)} streams, first {shown}"

    def send(self, *frames):
        """Sends bytes; the server may close the connection before it has read all."""
        self.sent = time.monotonic()
        try:
            self.socket.sendall(b"".join(frames))
        except (BrokenPipeError, ConnectionResetError):
            pass

    def stream(self, number):
        return self.streams.setdefault(number, Stream())

    def wait(self, condition, what):
        """Reads frames until the condition holds or the server closes the connection."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while not condition() and not self.closed:
            left = deadline - time.monotonic()
            assert left > 0, f"{what}: not within {WAIT_SECONDS_MAX} s; {self}"
            self.socket.settimeout(left)
            self.read()

    def wait_for(self, number):
        """Waits for the end of a stream."""
        self.wait(
            lambda: self.stream(number).done() or self.goaway is not None, f"the end of stream {number}"
        )
        return self.stream(number)

    def ping(self, payload=b"pingping"):
        """Waits until the server has handled all frames before."""
        self.send(frame(PING, 0, 0, payload))
        self.wait(lambda: payload in self.pongs, "the acknowledgement of a PING")
        assert payload in self.pongs, f"no acknowledgement of a PING; {self}"

    def read(self):
        try:
            received = self.socket.recv(65_536)
        except ConnectionResetError:
            received = b""
        except TimeoutError:
            return
        self.closed = not received
        self.unread += received
        while len(self.unread) >= 9:
            one, length = Frame.parse_frame_header(memoryview(self.unread[:9]))
            if len(self.unread) < 9 + length:
                return
            one.parse_body(memoryview(self.unread[9 : 9 + length]))
            self.unread = self.unread[9 + length :]
            self.received(one)

    def received(self, one):
        kind, flags = type(one).__name__, one.flags
        self.frames.append(kind)
        if kind == "SettingsFrame":
            if "ACK" in flags:
                self.acknowledged += 1
            else:
                self.settings = one.settings
                self.send(settings(flags=ACK))
        elif kind == "PingFrame":
            if "ACK" in flags:
                self.pongs.append(one.opaque_data)
            else:
                self.send(frame(PING, ACK, 0, one.opaque_data))
        elif kind == "WindowUpdateFrame":
            self.windows[one.stream_id] = self.windows.get(one.stream_id, 0) + one.window_increment
        elif kind == "GoAwayFrame":
            self.goaway = one.error_code
        elif kind == "RstStreamFrame":
            self.stream(one.stream_id).reset = one.error_code
        elif kind == "HeadersFrame":
            assert "END_HEADERS" in flags, "responses are short"
            self.fields(self.stream(one.stream_id), self.decoder.decode(one.data), "END_STREAM" in flags)
        elif kind == "DataFrame":
            stream = self.stream(one.stream_id)
            stream.body += one.data
            stream.ended |= "END_STREAM" in flags

    def fields(self, stream, fields, end):
        stream.ended |= end
        if stream.status is None:
            stream.status = int(dict(fields)[":status"])
            stream.fields = fields
            stream.responded_after = time.monotonic() - self.sent
        else:
            stream.fields = stream.fields + fields

    def close(self):
        self.socket.close()
