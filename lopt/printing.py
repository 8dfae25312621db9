"""Text for terminals that may not have every letter, and for readers that may go before the end."""

import os
import sys

__all__ = ["printable", "tell"]


def printable(text: str) -> str:
    """Return the text in letters that the output's encoding has (LANG=C: ASCII)."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"  # a closed output is None
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.replace("±", "+-").encode(encoding, "replace").decode(encoding)
    return text


def tell(text: str, end: str = "\n") -> None:
    """Print what a command has to say, at once.

    Where nobody listens (the output is closed, or its reader has gone, as ``head`` does), nothing is said,
    and the command goes on to its end and its status.

    Raises:
        OSError: if it can't be written for another reason, such as a full disk.
    """
    try:
        print(printable(text), end=end, flush=True)
    except OSError as error:
        # What is still in the buffer would be written, and fail again, when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise
