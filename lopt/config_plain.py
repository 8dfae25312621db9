"""A configuration as plain mappings, lists and values, whatever it was given as.

YAML can give more than a configuration is made of: keys that are numbers, dates, sets, bytes, lists that
contain themselves. Python callers can give tuples, arrays, paths, and objects of any kind. ``plain`` returns
a copy that a schema can be held against, in which nothing is shared: mappings with text as their keys,
lists, text, numbers, true, false and null. A value of another kind becomes ``Unusual``, which breaks every
schema and says what was there. What can't be copied so is refused, with its key.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from lopt.found import Unusual, found, key_path

__all__ = ["NotPlainError", "plain"]

DEEPEST = 32  # levels; a configuration has nine
MOST = 100_000  # values; a configuration has hundreds
HUGE = 10**300  # beyond it no float can hold an integer, and Python may refuse to write it out


class NotPlainError(ValueError):
    """Something no configuration may hold: at which ``key``, and what is the ``problem``."""

    def __init__(self, keys: Iterable[Any], problem: str) -> None:
        self.key = key_path(keys) or "(top level)"
        self.problem = problem
        super().__init__(f"{self.key}: {problem}")


def plain(value: Any) -> Any:
    """Return a copy made of plain mappings, lists and values.

    >>> plain({"seeds": (0, 1), "steps": {2}})
    {'seeds': [0, 1], 'steps': Unusual(text='a set')}

    Raises:
        NotPlainError: if a key is no text, if something contains itself, is too deep, or too large.
    """
    return _Copy().of(value, ())


class _Copy:
    """One copy being made. It counts, since aliases of aliases can stand for more than any memory."""

    def __init__(self) -> None:
        self.count = 0
        self.above: list[int] = []  # what lies above the value at hand

    def of(self, value: Any, keys: tuple[Any, ...]) -> Any:
        self.count += 1
        if self.count > MOST:
            raise NotPlainError(keys[:1], f"holds more than {MOST:,} values, aliases written out")
        if isinstance(value, Mapping | list | tuple):
            return self._container(value, keys)
        if isinstance(value, int) and not -HUGE < value < HUGE:
            return Unusual(f"{found(value)} (too large)")
        if value is None or type(value) in (bool, int, float, str):
            return value
        for kind in (str, int, float):  # a subclass, such as numpy's float64
            if isinstance(value, kind):
                return kind(value)
        if isinstance(value, os.PathLike):
            return self.of(os.fspath(value), keys)
        if callable(listed := getattr(value, "tolist", None)):  # arrays, and numbers from them
            return self.of(listed(), keys)
        return Unusual(found(value))

    def _container(self, value: Any, keys: tuple[Any, ...]) -> Any:
        if id(value) in self.above:
            raise NotPlainError(
                keys, "contains itself: an alias (*name) within its own anchor (&name)"
            )
        if len(keys) > DEEPEST:
            raise NotPlainError(keys, f"is nested deeper than {DEEPEST} levels")
        self.above.append(id(value))
        if isinstance(value, Mapping):
            copied = {_key(key, keys): self.of(entry, (*keys, key)) for key, entry in value.items()}
        else:
            copied = [self.of(entry, (*keys, number)) for number, entry in enumerate(value)]
        self.above.pop()
        return copied


def _key(key: Any, keys: tuple[Any, ...]) -> str:
    if isinstance(key, str):
        return str(key)
    hint = "; YAML takes on, off, yes and no for true and false" if isinstance(key, bool) else ""
    raise NotPlainError(
        keys, f"the key {found(key)} should be text: put it in quotation marks{hint}"
    )
