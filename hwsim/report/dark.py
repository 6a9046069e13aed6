"""Figures on a dark page: a drawing made for white paper takes the colours of whichever page it stands on."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterable

PAPER = "#15191e"
"""The dark page."""

LEAST_CONTRAST = 4.5
"""What WCAG 2 asks of text."""

_COLOUR = re.compile(r"#([0-9a-f]{6})\b")


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2, from 0 to 1, of a colour such as "#0072b2"."""
    channels = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in _channels(colour)]
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


def contrast(one: str, other: str) -> float:
    """Contrast of WCAG 2 between two colours, from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def on_dark(colour: str) -> str:
    """The colour that does on the dark page what `colour` does on white: greys change ends, hues get light enough."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(colour))
    if saturation < 0.05:
        paper = _channels(PAPER)
        return _hex(tuple(0.96 + (end - 0.96) * lightness for end in paper))
    found = colour
    while contrast(found, PAPER) < LEAST_CONTRAST:
        lightness += 0.01
        found = _hex(colorsys.hls_to_rgb(hue, lightness, saturation))
    return found


def themed(svg: str) -> str:
    """The drawing with a variable of the page in place of every colour."""
    return _COLOUR.sub(r"var(--c-\1)", svg)


def palette(svgs: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The variables that these drawings need once they are `themed`: name -> (on white, on dark)."""
    colours = sorted({found for svg in svgs for found in _COLOUR.findall(svg)})
    return {f"--c-{colour}": (f"#{colour}", on_dark(f"#{colour}")) for colour in colours}


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _hex(channels: Iterable[float]) -> str:
    return "#" + "".join(f"{round(255 * min(1.0, channel)):02x}" for channel in channels)
