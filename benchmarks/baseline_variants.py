"""Which form of a baseline follows the published loss curves, and at what score?

    python benchmarks/baseline_variants.py linear_regression rmsprop

For every form of the optimizer (where epsilon stands, whether moments are corrected for their start,
which hyperparameters are tuned at all) the script draws settings from the ranges in ``config.yaml``
and prints the setting with the best meta-objective, and the setting whose mean loss follows the
published curve best. Distance: the median over the published iterations of |log10 ours/published|.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass

os.environ.setdefault("NPROC", "1")

import jax
import jax.numpy as jnp
import numpy as np
import optax
from study import paper

from lopt.keys import stream
from lopt.records.published import published_values
from lopt.tasks import make_task
from lopt.tuning import SearchRange, draw_problems
from lopt.unrolling import evaluate, meta_objective


@dataclass(frozen=True)
class Form:
    """One form of an optimizer: a family as ``evaluate`` wants it; theta is a tuple of numbers."""

    name: str
    hyperparameters: tuple[str, ...]
    transformation: Callable[..., optax.GradientTransformation]

    def build(self, theta: tuple) -> optax.GradientTransformation:
        return self.transformation(*theta)


def _rmsprop(**options) -> Callable[..., optax.GradientTransformation]:
    return lambda rate, decay, epsilon: optax.rmsprop(rate, decay, eps=epsilon, **options)


def _uncorrected_adam(rate, b1, b2, epsilon) -> optax.GradientTransformation:
    """Adam whose moments are not divided by 1 - b^t."""

    def init(x):
        return jnp.zeros_like(x), jnp.zeros_like(x)

    def update(g, state, x=None):
        mean, square = b1 * state[0] + (1 - b1) * g, b2 * state[1] + (1 - b2) * g**2
        return -rate * mean / (jnp.sqrt(square) + epsilon), (mean, square)

    return optax.GradientTransformation(init, update)


FORMS = {
    "momentum": [
        Form("heavy ball", ("learning_rate", "momentum"), lambda a, b: optax.sgd(a, b)),
        Form("Nesterov", ("learning_rate", "momentum"), lambda a, b: optax.sgd(a, b, True)),
    ],
    "rmsprop": [
        Form("epsilon inside the root", ("learning_rate", "decay", "epsilon"), _rmsprop()),
        Form(
            "epsilon outside the root",
            ("learning_rate", "decay", "epsilon"),
            _rmsprop(eps_in_sqrt=False),
        ),
        Form(
            "inside, corrected for its start",
            ("learning_rate", "decay", "epsilon"),
            _rmsprop(bias_correction=True),
        ),
        Form("rate only (0.9, 1e-8)", ("learning_rate",), lambda a: optax.rmsprop(a, 0.9, 1e-8)),
    ],
    "adam": [
        Form("all four", ("learning_rate", "b1", "b2", "epsilon"), optax.adam),
        Form("epsilon 1e-8", ("learning_rate", "b1", "b2"), optax.adam),
        Form("rate only (0.9, 0.999, 1e-8)", ("learning_rate",), optax.adam),
        Form(
            "all four, not corrected",
            ("learning_rate", "b1", "b2", "epsilon"),
            _uncorrected_adam,
        ),
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("optimizer", choices=FORMS)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--problems", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    study = paper(arguments.task)
    ranges = study["tuning"]["ranges"][arguments.optimizer]
    published = {
        int(value.at): np.log10(float(value.published))
        for value in published_values()
        if value.task == arguments.task
        and value.quantity == f"{arguments.optimizer}_loss"
        and value.relation == "="
    }
    task = make_task(arguments.task, study["problem"])
    problems = draw_problems(task, arguments.problems, arguments.seed, "problems")
    for form in FORMS[arguments.optimizer]:
        trials = [
            SearchRange(**ranges[name])
            .quantile(
                np.asarray(
                    jax.random.uniform(
                        stream(arguments.seed, "variants", name), (arguments.samples,)
                    ),
                    float,
                )
            )
            .astype(np.float32)
            for name in form.hyperparameters
        ]
        rows = []
        for theta in zip(*trials, strict=True):
            losses = evaluate(task, form, theta, problems, steps=study["steps"])
            objectives = np.asarray(meta_objective(losses), float)
            mean = np.asarray(losses, float)[:, list(published)].mean(axis=0)
            rows.append(
                (
                    objectives.mean() if np.all(objectives < 1e6) else np.inf,
                    objectives.std() / len(objectives) ** 0.5,
                    np.median(np.abs(np.log10(mean) - list(published.values()))),
                )
            )
        score, error, distance = np.nan_to_num(np.array(rows), nan=np.inf).T
        for label, best in (("best score", np.argmin(score)), ("closest", np.argmin(distance))):
            setting = ", ".join(
                f"{name} {trial[best]:.4g}"
                for name, trial in zip(form.hyperparameters, trials, strict=True)
            )
            print(
                f"{form.name:32} {label:11} score {score[best]:.4f} +- {error[best]:.4f}"
                f" (rank {1 + np.sum(score < score[best])})  distance {distance[best]:.3f}"
                f"  {setting}",
                flush=True,
            )


if __name__ == "__main__":
    main()
