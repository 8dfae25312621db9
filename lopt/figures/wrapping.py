"""Break text into lines of a given width, as the figure's fonts are wide.

Lines break at spaces outside formulas ($...$), and inside a word only where the word alone is too wide.
Widths are in inches, of a figure with an Agg canvas; ``font`` are the font's properties, as
``matplotlib.text.Text`` takes them.
"""

import re
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.text import Text

__all__ = ["wrap", "wrap_parts"]

WORD = re.compile(r"(?:\$[^$]*\$|\S)+")


def wrap(figure: Figure, text: str, width: float, **font) -> str:
    """Return ``text`` with line breaks, so that no line is wider than ``width``.

    >>> from matplotlib.backends.backend_agg import FigureCanvasAgg
    >>> figure = FigureCanvasAgg(Figure()).figure
    >>> wrap(figure, "two words", 10.0), wrap(figure, "two words", 0.5, fontsize=8.0)
    ('two words', 'two\\nwords')
    """
    if _width(figure, text, font) <= width:
        return text
    lines: list[str] = []
    for word in WORD.findall(text):
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and _width(figure, joined, font) <= width:
            lines[-1] = joined
        else:
            lines += _pieces(figure, word, width, font)
    return "\n".join(lines)


def wrap_parts(figure: Figure, parts: Sequence[str], mark: str, width: float, **font) -> str:
    """Return ``parts`` with ``mark`` between those on one line; a part wider than a line is broken."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}{mark}{part}" if lines else part
        if lines and _width(figure, joined, font) <= width:
            lines[-1] = joined
        else:
            lines += wrap(figure, part, width, **font).split("\n")
    return "\n".join(lines)


def _pieces(figure: Figure, word: str, width: float, font: dict) -> list[str]:
    """Return the word, in pieces that fit if it does not; formulas stay whole."""
    if "$" in word or _width(figure, word, font) <= width:
        return [word]
    pieces = [""]
    for character in word:
        if pieces[-1] and _width(figure, pieces[-1] + character, font) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


def _width(figure: Figure, text: str, font: dict) -> float:
    measured = Text(0.0, 0.0, text, **font)
    measured.set_figure(figure)
    canvas: Any = figure.canvas  # of Agg: it has a renderer
    return measured.get_window_extent(canvas.get_renderer()).width / figure.dpi
