"""Header compression (RFC 7541): the same at every server."""

import hpack

from cases import Case, connection_error, served
from connection import COMPRESSION_ERROR, block, headers, string


def compression_cases(target):
    fields = target.fields()
    literals = block(fields)
    bad = connection_error(COMPRESSION_ERROR)

    def sent(rule, name, prefix, expected=bad):
        """A block that begins with these bytes."""
        body = target.body(1)
        return Case(rule, name, [headers(1, prefix + literals, end=not target.message), body], expected)

    def ended(rule, name, suffix, expected=bad):
        return Case(
            rule, name, [headers(1, literals + suffix, end=not target.message), target.body(1)], expected
        )

    huffman, table = hpack.Encoder(), hpack.Encoder()
    shrinks = hpack.Encoder()
    shrinks.header_table_size = 0
    body = target.body
    return [
        Case(
            "7541 5.2",
            "strings with Huffman coding",
            [headers(1, huffman.encode(fields, huffman=True), end=not target.message), body(1)],
            served(),
        ),
        Case(
            "7541 2.3.2",
            "a dynamic table of two requests",
            [
                headers(1, table.encode(fields), end=not target.message),
                body(1),
                headers(3, table.encode(fields), end=not target.message),
                body(3),
            ],
            served(stream=3),
        ),
        Case(
            "7541 4.2",
            "a table size of 0",
            [headers(1, shrinks.encode(fields), end=not target.message), body(1)],
            served(),
        ),
        ended("7541 6.2.3", "a literal that is never indexed", b"\x10" + string("x") + string("y"), served()),
        ended("7541 6.1", "index 0", b"\x80"),
        ended("7541 2.3.3", "an index beyond both tables", b"\xff\x80\x01"),
        ended("7541 2.3.3", "a name beyond both tables", b"\x7f\x80\x01" + string("y")),
        ended("7541 5.1", "an integer without end", b"\xff" + b"\xff" * 20),
        ended("7541 5.1", "an integer above 2^32", b"\xff" + b"\xff" * 5 + b"\x7f"),
        ended("7541 5.2", "a name longer than the block", b"\0\x7f\x20x"),
        ended("7541 5.2", "a value longer than the block", b"\0" + string("x") + b"\x20y"),
        ended("7541 6.2.2", "a name without a value", b"\0" + string("x")),
        ended("7541 5.2", "Huffman padding of zeros", b"\0" + string("x") + b"\x81\x18"),
        ended("7541 5.2", "Huffman padding of 8 bits", b"\0" + string("x") + b"\x82\x1f\xff"),
        ended("7541 5.2", "the end of string within a string", b"\0" + string("x") + b"\x84\xff\xff\xff\xff"),
        sent("7541 4.2", "a table size update at the beginning", b"\x20", served()),
        sent("7541 4.2", "two table size updates", b"\x20\x3f\xe1\x1f", served()),
        sent("7541 6.3", "a table size above the setting", b"\x3f\xe1\xff\x03"),
        ended("7541 4.2", "a table size update at the end", b"\x20"),
    ]
