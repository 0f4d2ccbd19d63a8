"""Bytes → text, as Python itself decodes a file: byte order mark, PEP 263, UTF-8; any end of line becomes a newline."""

from __future__ import annotations

import io
import re
from codecs import BOM_UTF8
from tokenize import detect_encoding

from shapecheck.source import Unreadable


def decode(data: bytes) -> str:
    """The text of a Python file; raises Unreadable with the encoding and the line that don't go together."""
    encoding = _encoding(data)
    data = data.removeprefix(BOM_UTF8)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = normalise(data[: error.start].decode("latin-1")).count("\n") + 1
        declared = "UTF-8" if encoding == "utf-8" else f"{encoding}, as it is declared to be"
        raise Unreadable(f"byte 0x{data[error.start]:02x} in line {line} is not {declared}", row=line) from error
    except (LookupError, UnicodeError) as error:  # a codec that isn't one of text, such as rot13
        raise Unreadable(f"the file is declared to be {encoding}: {error}") from error
    return normalise(text)


def normalise(text: str) -> str:
    """`text` with a plain newline at the end of each line."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _encoding(data: bytes) -> str:
    mark = data.startswith(BOM_UTF8)
    first_two = b"\n".join(re.split(rb"\r\n|\r|\n", data[:4096], maxsplit=2)[:2])
    if b"coding" not in first_two:
        return "utf-8"
    ascii_only = re.sub(rb"[\x80-\xff]", b"?", first_two[3 * mark :])
    try:
        return detect_encoding(io.BytesIO(BOM_UTF8 * mark + ascii_only).readline)[0].removesuffix("-sig")
    except SyntaxError as error:
        raise Unreadable(str(error.msg)) from error
