"""Text for terminals that may not have every letter."""

import sys

__all__ = ["printable"]


def printable(text: str) -> str:
    """Return the text in letters that the output's encoding has (LANG=C: ASCII)."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.replace("±", "+-").encode(encoding, "replace").decode(encoding)
    return text
