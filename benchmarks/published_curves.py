"""How closely the tuned baselines follow the published loss curves.

    python benchmarks/published_curves.py                                all of results/paper/baselines, where
                                                                         the paper has a curve
    python benchmarks/published_curves.py --baselines weights/baselines --tasks linear_regression --sets 64
    python benchmarks/published_curves.py --tasks linear_regression --optimizers momentum \
        --setting learning_rate=3.765 momentum=0.895                     another setting, not the tuned one

Every tuned setting runs on the 128 problems of the evaluation, as ``workflow/scripts/evaluate.py`` runs
it. Printed per task and optimizer: the setting, its meta-objective there with the standard error over
problems, on how many problems it diverged, and how far its mean loss lies from the published one: the
median and the largest over the digitised iterations of |log10 ours/published|, and the median of the
signed ratio (positive: ours is higher). ``published_curves.csv`` beside this script holds every iteration of
figure 1 that could be read off; ``lopt/records/published.csv`` has ten of each curve.

The published curves are means over 128 problems of the authors' own, and the means of two sets of 128 differ.
``--sets 64`` draws 64 other sets and prints how far the mean over all of them lies from the published curve
(that of the distribution of problems), and in what range 90 % of the sets lie.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ["NPROC"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import numpy as np
import pandas as pd
from study import paper

from lopt.evaluation import loss_curves, summarize
from lopt.extensions import BASELINES, TASKS
from lopt.keys import stream
from lopt.optimizers import make_baseline
from lopt.records import store, stored
from lopt.records.evaluation import Evaluation
from lopt.tasks import make_task, sample_batch
from lopt.unrolling import evaluate

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--baselines", type=Path, default=Path("results/paper/baselines"))
    published = pd.read_csv(HERE / "published_curves.csv")
    tasks, optimizers = (
        [name for name in there.names() if name in set(published[column])]
        for there, column in ((TASKS, "task"), (BASELINES, "optimizer"))
    )
    parser.add_argument("--tasks", nargs="+", default=tasks, choices=tasks)
    parser.add_argument("--optimizers", nargs="+", default=optimizers, choices=optimizers)
    parser.add_argument("--setting", nargs="+", metavar="NAME=VALUE")
    parser.add_argument("--sets", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.tasks:
        study = paper(name)
        settings = study["evaluation"]
        task = make_task(name, study["problem"])
        problems = sample_batch(task, stream(0, "evaluation"), settings["problems"])
        for optimizer in arguments.optimizers:
            best = None
            if arguments.setting:
                pairs = (pair.split("=") for pair in arguments.setting)
                hyperparameters = {key: float(value) for key, value in pairs}
            else:
                path = arguments.baselines / name / optimizer / "best.json"
                try:
                    best = stored.load_best(path, optimizer)
                except store.StoreError as error:
                    sys.exit(f"{error} (tuned baselines: --baselines FOLDER)")
                hyperparameters = best["hyperparameters"]
            family, theta = make_baseline(optimizer, hyperparameters)

            def run(
                problems, batch_size, task=task, family=family, theta=theta, steps=study["steps"]
            ):
                losses = evaluate(task, family, theta, problems, steps=steps, batch_size=batch_size)
                return np.asarray(losses)

            losses = run(problems, settings["batch_size"])
            evaluation = Evaluation(np.array([optimizer]), np.array([-1]), losses[None])
            row = summarize(name, evaluation).iloc[0]
            points = published[(published.task == name) & (published.optimizer == optimizer)]
            decades = distances(loss_curves(evaluation).means[0], points)
            print(
                f"{name} {optimizer}: "
                + ", ".join(f"{key} {value:.4g}" for key, value in theta._asdict().items())
            )
            if best:
                print(f"    tuned {best['meta_objective']:.5f} +- {best['meta_objective_se']:.5f}")
            print(
                f"    evaluated {row.meta_objective:.5f} +- {row.meta_objective_se:.5f},"
                f" {row.diverged} diverged\n"
                f"    decades from the published curve: median {np.median(np.abs(decades)):.3f},"
                f" largest {np.max(np.abs(decades)):.3f}, signed median {np.median(decades):+.3f}"
                f"  ({len(points)} iterations)",
                flush=True,
            )
            if arguments.sets:
                count = settings["problems"]
                more = sample_batch(task, stream(1, "evaluation"), arguments.sets * count)
                curves = run(more, settings["batch_size"]).astype(float)
                curves = curves.reshape(arguments.sets, count, -1).mean(axis=1)
                low, high = np.quantile(
                    np.median(np.abs(distances(curves, points)), axis=1), [0.05, 0.95]
                )
                mean = np.median(np.abs(distances(curves.mean(axis=0), points)))
                print(
                    f"    {arguments.sets} other sets of {count}: median of their mean {mean:.3f},"
                    f" of 90 % of them {low:.3f} to {high:.3f}",
                    flush=True,
                )


def distances(curve: np.ndarray, points: pd.DataFrame) -> np.ndarray:
    """Return log10 ours/published at the published iterations."""
    return np.log10(curve[..., points.iteration.to_numpy()] / points.mean_loss.to_numpy())


if __name__ == "__main__":
    main()
