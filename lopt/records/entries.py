"""What an entry of a stored file may be: numbers with bounds, texts, and mappings of them.

The schema of a JSON file is a mapping of such kinds, that of a table one kind a column. ``complaint`` says
what is wrong with a value in the words of an error message: which entry, what was found, what was expected.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["Each", "Kind", "ListOf", "Number", "Optional", "Text", "brief", "complaint"]


EXACT = 2.0**53  # beyond, float64 knows no odd number


class Number(NamedTuple):
    """A number; True and False are none."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    """Whether ``low`` itself is too low."""
    below: bool = False
    """Whether ``high`` itself is too high."""
    integer: bool = False
    missing: bool = False
    """Whether NaN (in a table: an empty cell) is allowed."""
    infinite: bool = False

    def __str__(self) -> str:
        text = "an integer" if self.integer else "a number"
        if self.low > -math.inf:
            text += f" above {self.low:g}" if self.above else f" of at least {self.low:g}"
        if self.high < math.inf:
            text += " and" if self.low > -math.inf else ""
            text += f" below {self.high:g}" if self.below else f" of at most {self.high:g}"
        return text + (" or nothing" if self.missing else "")

    def allows(self, value: float) -> bool:
        """Whether the number ``value`` is one of these."""
        if math.isnan(value):
            return self.missing
        if math.isinf(value):
            return self.infinite and not self.integer and (value > 0 or self.low == -math.inf)
        if self.integer and (value != int(value) or abs(value) > EXACT):
            return False
        enough = value > self.low if self.above else value >= self.low
        return enough and (value < self.high if self.below else value <= self.high)


class Text(NamedTuple):
    """A text, one of ``choices`` if there are any."""

    choices: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"one of {', '.join(self.choices)}" if self.choices else "a text"


class Optional(NamedTuple):
    """An entry that may be left out."""

    kind: "Kind"


class Each(NamedTuple):
    """A mapping whose names are free and whose values are all of one kind."""

    kind: "Kind"


class ListOf(NamedTuple):
    """A list of values of one kind."""

    kind: "Kind"


Kind = Number | Text | Each | ListOf | Mapping[str, "Kind | Optional"]


def complaint(value: Any, kind: Kind, name: str = "") -> str | None:
    """Return what is wrong with ``value``, or None. More entries than a mapping's kind names are allowed.

    >>> complaint({"rate": -1.0}, {"rate": Number(low=0.0)})
    'rate is -1.0, expected a number of at least 0'
    >>> complaint({"rate": True}, {"rate": Number()})
    'rate is true, expected a number'
    >>> complaint({}, {"rate": Number()})
    "lacks 'rate'; it has []"
    """
    if isinstance(kind, Number):
        right = type(value) in (int, float) and _is_float(value) and kind.allows(float(value))
        return None if right else f"{name or 'it'} is {_shown(value)}, expected {kind}"
    if isinstance(kind, Text):
        right = isinstance(value, str) and (not kind.choices or value in kind.choices)
        return None if right else f"{name or 'it'} is {_shown(value)}, expected {kind}"
    if isinstance(kind, ListOf):
        if not isinstance(value, Sequence) or isinstance(value, str):
            return f"{name or 'it'} is {_shown(value)}, expected a list"
        parts = ((entry, kind.kind, f"{name}[{place}]") for place, entry in enumerate(value))
        return next(filter(None, (complaint(*part) for part in parts)), None)
    if not isinstance(value, Mapping):
        return f"{name or 'it'} is {_shown(value)}, expected entries by name"
    if isinstance(kind, Each):
        kind = dict.fromkeys(value, kind.kind)
    for key, of in kind.items():
        if key not in value:
            if isinstance(of, Optional):
                continue
            return f"{f'{name} ' if name else ''}lacks {key!r}; it has {brief(str(list(value)))}"
        of = of.kind if isinstance(of, Optional) else of
        if found := complaint(value[key], of, f"{name}.{key}" if name else str(key)):
            return found
    return None


def _is_float(value: float) -> bool:
    try:
        float(value)
    except OverflowError:
        return False
    return True


def _shown(value: Any) -> str:
    """A value as a message shows it: as JSON has it, and not at any length."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and value.bit_length() > 64:
        return "an integer of more than 64 bits"
    if isinstance(value, (Mapping, list, tuple)):
        return "a mapping" if isinstance(value, Mapping) else "a list"
    return brief(repr(value), 60)


def brief(text: str, letters: int = 200) -> str:
    """Return ``text`` as a message can repeat it: on one line, and cut where it is long.

    >>> brief("a  b\\n" * 9, 11)
    'a b a b ...'
    """
    text = " ".join(text.split())
    return text if len(text) <= letters else text[: letters - 3] + "..."
