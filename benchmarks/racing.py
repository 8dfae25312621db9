"""Does racing find what the full search finds, and what does it save?

    python benchmarks/racing.py linear_regression
    python benchmarks/racing.py rosenbrock
    python benchmarks/racing.py two_moons

On the first two tasks it runs both searches for every baseline with the settings of ``config.yaml``: the
full search, and one with the rungs of ``RUNGS``. Survivors of all rungs are scored on the same problems and
steps as the full search scores them, so that the two winners' scores compare digit by digit.
linear_regression's problems differ more than two_moons' initializations do, so its rungs have more of them;
on rosenbrock every rung has all problems, because the few on which a setting diverges decide.

On two_moons the full search would take a day per baseline. There the script runs 400 random settings on one
initialization, the best 120 of them for all steps, and prints how the best of those ranked early on.
"""

import argparse
import os
import time

os.environ["NPROC"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import numpy as np
from study import paper

from lopt.extensions import BASELINES
from lopt.tasks import make_task
from lopt.tuning import Rung, SearchRange, draw_problems, run_trials, sample_trials, search

RUNGS = {
    "linear_regression": [Rung(0.2, 16, 50), Rung(0.25, 32, 200), Rung(0.3, 64, 200)],
    "rosenbrock": [Rung(0.2, 1024, 20), Rung(0.2, 1024, 60)],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=[*RUNGS, "two_moons"])
    parser.add_argument(
        "--optimizers", nargs="+", default=BASELINES.names(), choices=BASELINES.names()
    )
    arguments = parser.parse_args()
    settings = paper(arguments.task)
    tuning = settings["tuning"]
    task = make_task(arguments.task, settings["problem"])
    for optimizer in arguments.optimizers:
        ranges = {key: SearchRange(**value) for key, value in tuning["ranges"][optimizer].items()}
        if arguments.task not in RUNGS:
            print_early_ranks(task, optimizer, ranges, settings["steps"])
            continue
        results = {}
        for label, stages in (("full", []), ("racing", RUNGS[arguments.task])):
            before = time.process_time()
            result = search(
                task,
                BASELINES.load(optimizer)(),
                ranges,
                samples=tuning["samples"],
                problems=tuning["problems"],
                fresh_problems=tuning["fresh_problems"],
                steps=settings["steps"],
                seed=0,
                rungs=stages,
                divergence_factor=tuning["divergence_factor"],
            )
            results[label] = result
            setting = ", ".join(
                f"{key} {value:.4g}" for key, value in result.winner.theta._asdict().items()
            )
            print(
                f"{arguments.task} {optimizer:9} {label:7} score {result.winner.score:.5f}"
                f" +- {result.winner.standard_error:.5f}  gradients {result.gradients:.3g}"
                f" and {result.fresh_gradients:.3g} on fresh problems"
                f"  {time.process_time() - before:.1f} s  {setting}",
                flush=True,
            )
        full, raced = results["full"], results["racing"]
        print(
            f"    score {100 * (raced.winner.score / full.winner.score - 1):+.2f} %,"
            f" gradients {raced.gradients / full.gradients:.1%} of the full search's",
            flush=True,
        )


def print_early_ranks(task, optimizer: str, ranges: dict, steps: int) -> None:
    count, kept, shown = 400, 120, 5
    thetas = sample_trials(BASELINES.load(optimizer)(), ranges, 2500, 0)
    problem = draw_problems(task, 1, 0, "problems")

    def scores(chosen: np.ndarray, length: int) -> np.ndarray:
        picked = type(thetas)(*(column[chosen] for column in thetas))
        runs = run_trials(task, BASELINES.load(optimizer)(), picked, problem, length)[:, 0]
        return np.nan_to_num(runs, nan=np.inf)

    first = np.argsort(scores(np.arange(count), 15))[:kept]
    final = scores(first, steps)
    best = np.argsort(final)[:shown]
    rank_at_60 = np.argsort(np.argsort(scores(first, 60)))
    print(f"{optimizer}: the {shown} best of {count} settings after {steps} steps")
    for i in best:
        print(
            f"    score {final[i]:.4f}: among the best {(1 + i) / count:.1%} after 15 steps,"
            f" {(1 + rank_at_60[i]) / count:.1%} after 60",
            flush=True,
        )


if __name__ == "__main__":
    main()
