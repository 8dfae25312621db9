r"""What every hand-made optimizer of the study has: hyperparameters with bounds and search ranges.

A baseline is a file with a NamedTuple of hyperparameters and one frozen dataclass that derives from
``Baseline``. Its module's name is its name in ``config.yaml``; nothing else has to be touched.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import optax

from lopt.optimizers.component import ComponentOptimizer

__all__ = ["Baseline"]


class Baseline(Protocol):
    """A family of hand-made optimizers whose hyperparameters are tuned.

    ``theta_type``  a NamedTuple of hyperparameters; annotations of ``lopt.fields`` bound them;
    ``ranges``      where each is searched: (low, high, scale), scale as in ``lopt.tuning.ranges``;
    ``label``       how figures call it, and ``color`` how they draw it (both optional);
    ``varied``      (symbol, smallest, largest, power) of the state's first entry, for the supplement's
                    figure of update functions: it takes values between these shares of (largest
                    gradient)^power (optional).

    The last four are literals: the workflow reads them without importing the file.
    """

    theta_type: ClassVar[type]
    ranges: ClassVar[Mapping[str, tuple[float, float, str]]]

    def component(self, theta: Any) -> ComponentOptimizer:
        """Return the optimizer as a dynamical system on one parameter."""
        ...

    def build(self, theta: Any) -> optax.GradientTransformation:
        """Return the optimizer as an optax transformation."""
        ...
