"""One row of the table of known answers: the truth beside what was found."""

import zlib

import numpy as np
from numpy.typing import ArrayLike

from lopt.records.analysis import ValidationRow

__all__ = ["deviation", "generator", "row"]


def row(
    optimizer: str, quantity: str, truth: ArrayLike, found: ArrayLike, tolerance: float
) -> ValidationRow:
    """Return the row; the error is |found - truth|, relative to |truth| where that exceeds 1.

    >>> row("momentum", "learning rate", 2.0, 2.5, 1e-10).verdict
    'fail'
    """
    truth, found = float(np.asarray(truth)), float(np.asarray(found))
    error = abs(found - truth) / max(1.0, abs(truth))
    verdict = "pass" if np.isfinite(error) and error <= tolerance else "fail"
    return ValidationRow(optimizer, quantity, truth, found, error, tolerance, verdict)


def deviation(found: ArrayLike, truth: ArrayLike) -> float:
    """Return the largest deviation, relative where the truth exceeds 1; infinite for other shapes."""
    found, truth = np.asarray(found), np.asarray(truth)
    if found.shape != truth.shape:
        return np.inf
    return float(np.max(np.abs(found - truth) / np.maximum(1.0, np.abs(truth))))


def generator(name: str) -> np.random.Generator:
    """Return random numbers that are the same wherever ``name`` is."""
    return np.random.default_rng(zlib.crc32(name.encode()))
