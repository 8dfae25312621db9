"""Where to search: one prior for each hyperparameter of a family."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from lopt.keys import stream
from lopt.optimizers import OptimizerFamily

__all__ = ["SearchRange", "pick", "sample_trials"]


@dataclass(frozen=True)
class SearchRange:
    """The prior of one hyperparameter between ``low`` and ``high``.

    ``scale`` says what is uniform: the value (``linear``), its logarithm (``log``), or the
    logarithm of one minus the value (``log_one_minus``), for averaging constants whose memory
    1 / (1 - value) is what matters.

    >>> momentum = SearchRange(0.0, 0.99, "log_one_minus")
    >>> momentum.quantile(np.array([0.0, 0.5, 1.0])).round(3).tolist()
    [0.0, 0.9, 0.99]
    """

    low: float
    high: float
    scale: str = "linear"

    def __post_init__(self) -> None:
        scales = ("linear", "log", "log_one_minus")
        if self.scale not in scales:
            raise ValueError(f"scale {self.scale!r} is not one of {', '.join(scales)}")
        if not self.low < self.high:
            raise ValueError(f"low should be less than high, got {self.low} and {self.high}")
        if self.scale == "log" and self.low <= 0.0:
            raise ValueError(f"scale log needs low > 0, got {self.low}")
        if self.scale == "log_one_minus" and self.high >= 1.0:
            raise ValueError(f"scale log_one_minus needs high < 1, got {self.high}")

    def quantile(self, share: Float[np.ndarray, " count"]) -> Float[np.ndarray, " count"]:
        """Return the value below which ``share`` (0 to 1) of the prior lies."""
        if self.scale == "linear":
            return self.low + (self.high - self.low) * share
        if self.scale == "log":
            return self.low * (self.high / self.low) ** share
        return 1.0 - (1.0 - self.low) * ((1.0 - self.high) / (1.0 - self.low)) ** share


def sample_trials(
    family: OptimizerFamily, ranges: Mapping[str, SearchRange], count: int, seed: int
) -> Any:
    """Draw ``count`` thetas of ``family``, stacked (numpy, float32).

    Each hyperparameter has a random stream of its own: changing one range leaves the others' draws
    as they are.

    Raises:
        ValueError: if ``ranges`` does not name exactly the hyperparameters of the family.
    """
    theta_type = cast(
        Any, family
    ).theta_type  # of a baseline, or of what has hyperparameters as one has
    names = theta_type._fields
    if set(ranges) != set(names):
        raise ValueError(
            f"{type(family).__name__} needs search ranges for {', '.join(names)}; "
            f"got {', '.join(ranges) or 'none'}"
        )
    columns = []
    for name in names:
        key = stream(seed, "tuning", "trials", name)
        share = np.asarray(jax.random.uniform(key, (count,), jnp.float32), np.float64)
        columns.append(ranges[name].quantile(share).astype(np.float32))
    return theta_type(*columns)


def pick(stacked: Any, index: Any) -> Any:
    """Return of what is stacked (thetas, problems) the part that ``index`` names: a number, slice, array."""
    return jax.tree.map(lambda leaf: leaf[index], stacked)
