"""What a setting may be: the annotations of dataclass fields that reach the configuration.

    @dataclass(frozen=True)
    class GRU(LearnedFamily):
        layers: Count = 2                                     a whole number, at least 1
        units: Size = 256                                     as large as the side of a matrix can be
        points: Annotated[int, Bounds(minimum=2)] = 1024      a bound of its own

The names stand for the plain Python type plus its bounds, so that type checkers see ``int`` or
``float``. ``lopt.facts`` reads them from the file's syntax tree and makes the configuration's schema of
them: a class says once what it takes. ``int``, ``float``, ``bool``, ``str``, ``Literal["a", "b"]``,
``tuple[X, ...]`` and ``X | None`` work, too.
"""

from dataclasses import dataclass
from typing import Annotated

__all__ = [
    "Bounds",
    "Count",
    "Counts",
    "Fraction",
    "NonNegative",
    "Positive",
    "Seed",
    "Share",
    "Size",
    "Sizes",
]


@dataclass(frozen=True)
class Bounds:
    """The range of a number (None: unbounded), or the least number of entries of a tuple."""

    minimum: float | None = None
    exclusive_minimum: float | None = None
    maximum: float | None = None
    exclusive_maximum: float | None = None
    minimum_length: int | None = None


Count = Annotated[int, Bounds(minimum=1)]
Positive = Annotated[float, Bounds(exclusive_minimum=0)]
NonNegative = Annotated[float, Bounds(minimum=0)]
Share = Annotated[float, Bounds(exclusive_minimum=0, maximum=1)]
Fraction = Annotated[float, Bounds(minimum=0, exclusive_maximum=1)]
Seed = Annotated[int, Bounds(minimum=0, maximum=2**32 - 1)]  # what a random key holds
# A side of a matrix: with more than this, one matrix of float32 fills 17 GB.
Size = Annotated[int, Bounds(minimum=1, maximum=2**16)]
Sizes = Annotated[tuple[Size, ...], Bounds(minimum_length=1)]
Counts = Annotated[tuple[Count, ...], Bounds(minimum_length=1)]
