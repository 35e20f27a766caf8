"""Proto: what an ONNX file says of itself, read from its bytes before anything is made of them.

Only the few fields that matter are looked at; weights are skipped. The wire format of protocol buffers:
https://protobuf.dev/programming-guides/encoding. Field numbers are those of onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Message -> field -> the message in it, for those on the way to a tensor.
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _FUNCTION = range(7)
_INNER = {
    _MODEL: {7: _GRAPH, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _TENSOR: {},
}
_EXTERNAL, _LOCATION = 13, 14  # of a tensor: where its data is, and whether that is elsewhere
_OPSET, _METADATA = 8, 14  # of a model


@dataclass
class Seen:
    """What was found.

    Args:
        domains: of the operators. ``elsewhere``: some weights lie in other files. ``metadata``: key -> value.
    """

    domains: set[str] = field(default_factory=set)
    elsewhere: bool = False
    metadata: dict[str, str] = field(default_factory=dict)


def look(content: bytes) -> Seen:
    """
    Raises:
        ValueError: the bytes are no such file.
    """
    seen = Seen()
    graphs = 0
    for number, value in _fields(memoryview(content)):
        if number == _OPSET and isinstance(value, memoryview):
            seen.domains.add(_text(value, 1))
        elif number == _METADATA and isinstance(value, memoryview):
            seen.metadata[_text(value, 1)] = _text(value, 2)
        elif number in _INNER[_MODEL] and isinstance(value, memoryview):
            graphs += _INNER[_MODEL][number] == _GRAPH
            _visit(_INNER[_MODEL][number], value, seen)
    if graphs != 1:
        raise ValueError("not one graph")
    return seen


def _visit(message: int, content: memoryview, seen: Seen) -> None:
    inner = _INNER[message]
    for number, value in _fields(content):
        if message == _TENSOR:
            seen.elsewhere |= number == _EXTERNAL or (number == _LOCATION and value != 0)
        elif number in inner and isinstance(value, memoryview):
            _visit(inner[number], value, seen)


def _text(content: memoryview, wanted: int) -> str:
    """A field that is a text, the last of its number; empty where it is missing."""
    found = ""
    for number, value in _fields(content):
        if number == wanted and isinstance(value, memoryview):
            found = str(value, "utf-8")
    return found


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field of a message: a number, or the bytes of what it holds."""
    at, end = 0, len(content)
    while at < end:
        key, at = _varint(content, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(content, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(content, at)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > end:
            raise ValueError("cut off")
        yield number, content[at : at + size]
        at += size


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(content) or shift > 63:
            raise ValueError("cut off")
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
