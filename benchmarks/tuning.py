"""What tuning a baseline costs, beside a search that runs one setting after another.

    python benchmarks/tuning.py linear_regression --optimizer adam
    python benchmarks/tuning.py two_moons --scale laptop --plain 5

The search with the settings of ``config.yaml`` is timed whole, compilation, racing and the contenders' runs
on fresh problems included. Beside it, in the same run, the plain way: optax's optimizer under ``vmap`` over
the problems, a program that is compiled once and called for one setting after another, each for all steps
on all problems. It runs the first ``--plain`` settings and is scaled to all of them; so are those settings
scored our way, once compiled: the same work, done otherwise. The largest relative difference of the scores
is printed. One thread. Stored in results/benchmarks/tuning.json.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ["NPROC"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import numpy as np
import optax
import study

from lopt.extensions import BASELINES
from lopt.records import store
from lopt.tasks import make_task
from lopt.tasks.flat import flat_loss, start
from lopt.tuning import Rung, SearchRange, draw_problems, run_trials, sample_trials, search
from lopt.tuning.ranges import pick

RESULT = Path("results/benchmarks/tuning.json")
PLAIN = {
    "adam": lambda theta: optax.adam(theta.learning_rate, theta.b1, theta.b2, theta.epsilon),
    "momentum": lambda theta: optax.sgd(theta.learning_rate, theta.momentum),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("--scale", help="of config.yaml (default: the study's own settings)")
    parser.add_argument("--optimizer", default="adam", choices=PLAIN)
    parser.add_argument("--plain", type=int, default=50, help="settings of the plain search (50)")
    options = parser.parse_args()
    if options.scale:
        settings = study.task(options.task, options.scale)
    else:
        settings = study.paper(options.task)
    tuning, steps = settings["tuning"], settings["steps"]
    task = make_task(options.task, settings["problem"])
    family = BASELINES.load(options.optimizer)()
    ranges = {
        key: SearchRange(**value) for key, value in tuning["ranges"][options.optimizer].items()
    }
    began = time.perf_counter()
    found = search(
        task,
        family,
        ranges,
        samples=tuning["samples"],
        problems=tuning["problems"],
        fresh_problems=tuning["fresh_problems"],
        steps=steps,
        seed=0,
        rungs=[Rung(**rung) for rung in tuning["rungs"]],
        divergence_factor=tuning["divergence_factor"],
    )
    seconds = time.perf_counter() - began

    thetas = sample_trials(family, ranges, tuning["samples"], 0)
    problems = draw_problems(task, tuning["problems"], 0, "problems")
    some = range(options.plain)
    one_by_one = plain_search(task, options.optimizer, problems, steps)
    first = pick(thetas, slice(options.plain))
    scale = tuning["samples"] / options.plain

    def plain() -> np.ndarray:
        return np.stack([one_by_one(pick(thetas, place)) for place in some])

    def ours() -> np.ndarray:
        return run_trials(task, family, first, problems, steps)

    theirs, plain_seconds = compiled(plain)
    scores, same_work = compiled(ours)
    both = np.isfinite(theirs) & np.isfinite(scores) & (theirs < 1.0)
    result = {
        "task": options.task,
        "optimizer": options.optimizer,
        "settings": tuning["samples"],
        "problems": tuning["problems"],
        "seconds": round(seconds, 2),
        "score": found.winner.score,
        "gradients": found.gradients / found.gradients_of_full_search,
        "plain_seconds": round(scale * plain_seconds, 2),
        "same_work_seconds": round(scale * same_work, 2),
        "plain_settings": options.plain,
        "largest_relative_difference": float(np.max(np.abs(scores[both] / theirs[both] - 1.0))),
    }
    print(json.dumps(result, indent=2))
    store.save_json(RESULT, result)


def compiled(run):
    """Return what ``run`` returns, and the seconds of its second call."""
    run()
    began = time.perf_counter()
    return run(), time.perf_counter() - began


def plain_search(task, optimizer: str, problems, steps: int):
    """Return a function that gives the meta-objectives of one setting, a number per problem."""
    loss = flat_loss(task)

    @jax.jit
    def run(theta):
        def one(problem):
            transformation = PLAIN[optimizer](theta)

            def step(carry, _):
                x, state = carry
                value, gradient = jax.value_and_grad(lambda x: loss(problem, x, 0))(x)
                updates, state = transformation.update(gradient, state)
                return (optax.apply_updates(x, updates), state), value

            x = start(task, problem)
            (x, _), losses = jax.lax.scan(step, (x, transformation.init(x)), length=steps)
            return (losses.sum() + loss(problem, x, steps)) / ((steps + 1) * losses[0])

        return jax.vmap(one)(problems)

    return lambda theta: np.asarray(run(jax.tree.map(np.float32, theta)))


if __name__ == "__main__":
    main()
