"""Where the update of a stored optimizer saturates: the level, the rate and the knee that figure 3 shows.

    python benchmarks/update_level.py weights/rosenbrock/seed_0.npz --largest 1000
    python benchmarks/update_level.py theta.npz --largest 0.1 --scales 200,0.015 850,0.0057 --problems 4

Printed per optimizer, at its initial state: the largest update for gradients up to ``--largest`` in size (the
level), its slope at g = 0 (the rate, of the first update alone), and level over rate: the gradient at which a
line of that slope reaches the level (the knee). Then, along 200 gradients of zero: the largest rate and where
it is, and at their end the rate and the update that it goes on making. With ``--scales`` all that at other
scales of input and output than those that it was trained at; with ``--problems`` its meta-objective on so
many of the validation problems, too.
"""

import argparse
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import study

from lopt.analysis.responses import local_response, update_function
from lopt.analysis.trajectories import autonomous_trajectory
from lopt.learned.base import LearnedFamily
from lopt.meta_training.loop import validation_problems
from lopt.tasks import make_task
from lopt.unrolling import evaluate, meta_objective

STEPS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("theta", nargs="+", help="paths of stored optimizers")
    parser.add_argument("--largest", type=_positive, default=1000.0, help="gradient (1000)")
    parser.add_argument("--scales", type=_pair, nargs="+", default=[None], metavar="INPUT,OUTPUT")
    parser.add_argument("--problems", type=study.whole(0), default=0)
    options = parser.parse_args()
    for path in options.theta:
        stored, theta, metadata = study.optimizer(path)
        for scales in options.scales:
            family = dataclasses.replace(stored, **scales) if scales else stored
            words = ", ".join(f"{value:g}" for value in (scales or {}).values())
            print(f"{path}{words and f' at {words}'}: {at_rest(family, theta, options.largest)}")
            if options.problems:
                score, error = scored(family, theta, metadata, options.problems)
                print(
                    f"    meta-objective {score:.4f} ± {error:.4f} on {options.problems} problems"
                )


def at_rest(family: LearnedFamily, theta: Any, largest: float) -> str:
    """Return in words what the first update is like, and what is left after gradients of zero."""
    sizes = np.geomspace(1e-6 * largest, largest, 200)
    gradients = jnp.asarray(np.concatenate([-sizes[::-1], sizes]))
    component = family.component(jax.tree.map(jnp.asarray, theta))
    states = autonomous_trajectory(component, STEPS)
    level = float(np.abs(update_function(component, states[0], gradients)).max())
    updates, rates = (np.asarray(each) for each in local_response(component, states))
    peak = int(rates.argmax())
    return (
        f"level {level:.4g}, rate {rates[0]:.4g}, knee {level / rates[0]:.4g}; without gradients rate "
        f"{rates[peak]:.4g} after {peak}, {rates[-1]:.4g} after {STEPS}, update {updates[-1]:.2g}"
    )


def scored(
    family: LearnedFamily, theta: Any, metadata: dict[str, Any], number: int
) -> tuple[float, float]:
    """Return mean and standard error of the meta-objective, one problem at a time."""
    task = make_task(metadata["task"], metadata["problem"])
    problems = validation_problems(task, number)

    def losses(k: int) -> jax.Array:
        one = jax.tree.map(lambda leaf: leaf[k : k + 1], problems)
        return evaluate(task, family, theta, one, steps=metadata["steps"])

    scores = np.asarray(meta_objective(jnp.concatenate([losses(k) for k in range(number)])))
    return float(scores.mean()), float(scores.std(ddof=min(1, number - 1)) / number**0.5)


def _pair(text: str) -> dict[str, float]:
    parts = text.split(",")
    if len(parts) != 2:
        raise argparse.ArgumentTypeError(f"expected an input and an output scale: {text!r}")
    return dict(zip(("input_scale", "output_scale"), map(_positive, parts), strict=True))


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not 0.0 < value < np.inf:
        raise argparse.ArgumentTypeError(f"expected a number > 0: {text!r}")
    return value


if __name__ == "__main__":
    main()
