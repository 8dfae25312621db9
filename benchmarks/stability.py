"""How stable meta-training is: many seeds of one task in one program, and how far each strays from its best.

    python benchmarks/stability.py linear_regression --seeds 20
    python benchmarks/stability.py rosenbrock --seeds 20 --set adjoint_bound=null averaging=0.95

A seed's validation meta-objective is measured every ``validation_interval`` meta-steps, of the average of
theta where the recipe keeps one. Printed per seed: the best, its meta-step, the end over the best, and the
largest ratio to the best so far after the first fifth of the run; then their medians and extremes, how many
end within 5 % of the best, and how many exceed 1.5 times the best so far. ``--csv`` stores every measurement.
Seeds are those that the workflow would train, to rounding.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import study

from lopt.meta_training.abreast import stacked, train_abreast
from lopt.meta_training.loop import CurvePoint, State, Training

LIMIT = 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("--scale", default="laptop")
    parser.add_argument("--seeds", type=study.whole(1), default=20, help="0, 1, ..., this many")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    parser.add_argument("--csv", help="every measurement: seed, step, validation_meta_objective")
    args = parser.parse_args()
    settings = study.task(args.task, args.scale, args.changes)
    if args.csv and not Path(args.csv).parent.is_dir():
        parser.error(f"--csv {args.csv}: there is no folder {Path(args.csv).parent}")
    seeds = np.arange(args.seeds)
    training, begun, _ = study.beginnings(args.task, settings, seeds.tolist())
    curves = train(training, seeds, stacked(begun))
    print(report(curves, training.settings.meta_steps))
    if args.csv:
        curves.to_csv(args.csv, index=False)


def train(training: Training, seeds: np.ndarray, states: State) -> pd.DataFrame:
    """Train all seeds abreast; return their validation curves."""
    rows, began = [], time.monotonic()

    def after_chunk(_: State, points: list[CurvePoint]) -> None:
        step, found = points[0].step, [point.validation_meta_objective for point in points]
        if step % training.settings.validation_interval == 0:
            rows.extend((int(seed), step, value) for seed, value in zip(seeds, found, strict=True))
            print(
                f"{step:6d}  median {np.nanmedian(found):.4f}  largest {np.max(found):.4g}  "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )

    train_abreast(training, seeds, states=states, after_chunk=after_chunk)
    return pd.DataFrame(rows, columns=["seed", "step", "validation_meta_objective"])


def report(curves: pd.DataFrame, meta_steps: int) -> str:
    """Return the table of seeds and the medians, as text."""
    table = []
    for seed, curve in curves.groupby("seed"):
        values = curve["validation_meta_objective"].fillna(np.inf).to_numpy()
        ratios = values / np.minimum.accumulate(values)
        late = curve["step"].to_numpy() > meta_steps / 5
        table.append(
            {
                "seed": seed,
                "best": values.min(),
                "at": curve["step"].iloc[int(values.argmin())],
                "end/best": values[-1] / values.min(),
                "largest ratio": ratios[late].max(),
            }
        )
    seeds = pd.DataFrame(table)
    best, end, ratio = seeds["best"], seeds["end/best"], seeds["largest ratio"]
    return (
        f"{seeds.to_string(index=False, float_format='{:.4g}'.format)}\n"
        f"best: median {best.median():.4g} ({best.min():.4g} to {best.max():.4g}); "
        f"end over best: median {end.median():.3g}, largest {end.max():.3g}, at most 1.05 in "
        f"{np.sum(end <= 1.05)} of {len(seeds)}; largest ratio to the best so far after the first fifth: "
        f"median {ratio.median():.3g}, largest {ratio.max():.3g}, above {LIMIT} in "
        f"{np.sum(ratio > LIMIT)} of {len(seeds)}"
    )


if __name__ == "__main__":
    main()
