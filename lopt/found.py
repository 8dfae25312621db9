"""What was found, in a few words: any object at all as one short line, and never an exception.

    found("1e-3")                  "1e-3" in quotation marks, as JSON has it
    found([1, float("nan")])       [1, NaN]
    found(datetime.date(...))      2026-01-01 (a date)
    key_path(["scales", "a\\nb"])   scales."a\\nb"

Messages about a wrong configuration are made of these: what explains a mistake must not be what fails.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

__all__ = ["Unusual", "found", "key_path", "listed"]

_DEEPEST = 4  # mappings and lists within one another that are still shown


@dataclass(frozen=True)
class Unusual:
    """Stands for a value of a kind that no setting is of, and says what was there."""

    text: str


def found(value: Any, most: int = 60) -> str:
    """Return ``value`` in at most ``most`` characters.

    >>> found({"seeds": [0, True, None]}), found(10**400), found({1, 2}), found("a" * 20, most=10)
    ('{"seeds": [0, true, null]}', 'about 1e400', 'a set', '"aaaaaa...')
    """
    try:
        text = _text(value, most, 0)
    except Exception:  # of the object: its own methods may do anything
        text = _kind(value)
    return _cut(text, most)


def key_path(keys: Iterable[Any], most: int = 130) -> str:
    """Return the keys that lead to a value, joined by points; the middle of a long path is left out.

    >>> key_path(["scales", "smoke", 0]), key_path(["a b", "on"])
    ('scales.smoke.0', '"a b".on')
    """
    path = ".".join(_name(key) for key in keys)
    return path if len(path) <= most else f"{path[: most // 2]}...{path[3 - most // 2 :]}"


def listed(names: Iterable[Any], most: int = 110) -> str:
    """Return the names in one line, as many as there is room for.

    >>> listed(["momentum", "rmsprop", "adam"], most=20), listed([])
    ('momentum and 2 more', 'none')
    """
    texts = [_name(name) for name in names]
    whole = ", ".join(texts)
    if len(whole) <= most:
        return whole or "none"
    kept = len(texts)
    while kept > 1 and len(", ".join(texts[:kept])) > most - 12:
        kept -= 1
    return f"{', '.join(texts[:kept])} and {len(texts) - kept} more"


def _name(key: Any) -> str:
    if isinstance(key, str) and re.fullmatch(r"[\w-]{1,40}", key):
        return key
    return found(key, 40)


def _text(value: Any, room: int, depth: int) -> str:
    """Return ``value`` as JSON has it; what lies beyond ``room`` characters is not looked at."""
    if value is None or value is True or value is False:
        return json.dumps(value)
    if isinstance(value, str):
        return _quoted(str.__getitem__(value, slice(room + 1)))
    if isinstance(value, int):
        return _integer(int(value))
    if isinstance(value, float):
        return json.dumps(float(value))
    if isinstance(value, Unusual):
        return value.text
    if isinstance(value, Mapping | list | tuple):
        return _container(value, room, depth)
    if isinstance(value, date):
        moment = value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
        return f"{moment} (a {type(value).__name__})"
    return _kind(value)


def _quoted(text: str) -> str:
    """Return the text in quotation marks, on one line, with nothing that a terminal can't print."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in quoted)


def _integer(value: int) -> str:
    if abs(value) < 10**20:
        return str(value)
    digits = math.floor(abs(value).bit_length() * math.log10(2))  # str() refuses the longest
    return f"about {'-' if value < 0 else ''}1e{digits}"


def _container(value: Any, room: int, depth: int) -> str:
    opening, closing = "{}" if isinstance(value, Mapping) else "[]"
    if depth == _DEEPEST:
        return f"{opening}...{closing}"
    text = opening
    for number, entry in enumerate(value):
        if len(text) > room:
            break
        text += ", " if number else ""
        left = room - len(text)
        text += _text(entry, left, depth + 1)
        if isinstance(value, Mapping):
            text += ": " + _text(value[entry], left, depth + 1)
    return text + closing


def _kind(value: Any) -> str:
    name = "".join(c for c in type(value).__name__ if c.isprintable())
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
