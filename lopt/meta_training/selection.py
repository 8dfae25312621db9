"""Which of several trained optimizers to show: the best by validation meta-objective."""

from collections.abc import Mapping
from typing import Any

__all__ = ["select"]


def select(validation: Mapping[int, float]) -> dict[str, Any]:
    """Return the seeds ranked by validation meta-objective (lower is better), and the first of them.

    Seeds whose meta-objective is not finite (they never improved on nothing) come last.

    Raises:
        ValueError: if there is no seed to choose from.

    >>> select({0: 0.05, 1: 0.04})["selected"]
    1
    """
    if not validation:
        raise ValueError("there is no seed to select from")
    ranked = sorted(
        validation, key=lambda seed: (validation[seed] != validation[seed], validation[seed])
    )
    return {
        "selected": ranked[0],
        "criterion": "validation meta-objective",
        "ranking": [{"seed": seed, "meta_objective": validation[seed]} for seed in ranked],
    }
