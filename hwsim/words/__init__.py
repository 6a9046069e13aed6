"""Number formats: real numbers to stored words and back, bit by bit.

`get_format` finds a format by name; a `WordFormat` encodes and decodes whole arrays; `describe` shows one
word. Bit 0 is a word's least significant bit. (Papers on weight scaling call the sign bit 1 and count down
from there; `WordFormat.paper_bit` converts.)
"""

from __future__ import annotations

from hwsim.words.fixed import FixedFormat
from hwsim.words.floating import FloatFormat
from hwsim.words.format import Field, WordFormat
from hwsim.words.inspect import FieldView, FlipView, WordView, describe, format_table
from hwsim.words.names import format_names, get_format

__all__ = [
    "Field",
    "FieldView",
    "FixedFormat",
    "FlipView",
    "FloatFormat",
    "WordFormat",
    "WordView",
    "describe",
    "format_names",
    "format_table",
    "get_format",
]
