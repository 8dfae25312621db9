"""Meta-train the seeds of one task in one program, for so many minutes; go on from there the next time.

    python benchmarks/gpu.py rosenbrock --minutes 8
    python benchmarks/gpu.py linear_regression --scale paper --seeds 0 1 2 3 --results elsewhere/results

For a GPU that is there for a while only, with nothing but lopt installed (no Snakemake). A checkpoint of
these seeds lies beside the results until all of them are stored; when all meta-steps are done, every seed's
theta, curve and run.json are where the workflow has them (``results/<scale>/meta_training``), which takes
them as its own. They are its trainings' to rounding: one program for several seeds sums in another order.
Seeds that are stored already are left as they are. ``--set`` makes another optimizer than the scale's, so
that its results need a folder of their own.

A seed that learned nothing stores nothing, is named at the end, and makes the status 1; so does a limit that
was reached, with what is left to do. The checkpoint stays then, and the same command goes on from it. The
early seed of a task is the workflow's to train: it takes minutes, and ends before the others.
"""

import argparse
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import study

from lopt.process import NoGPUError, prepare
from lopt.records.atomic import StoreError

if TYPE_CHECKING:
    from lopt.records.layout import Files

RESULTS = Path("results")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("--scale", default="paper")
    parser.add_argument("--seeds", type=study.seed, nargs="+", help="default: the scale's")
    parser.add_argument(
        "--minutes",
        type=study.positive(or_zero=True),
        help="after which it ends; default: no limit",
    )
    parser.add_argument("--results", default=RESULTS, help="folder of the scales (results)")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    args = parser.parse_args()
    if args.changes and Path(args.results).resolve() == RESULTS.resolve():
        parser.error(
            f"--set makes another optimizer than the scale {args.scale} has: name its folder by --results"
        )
    began = time.monotonic()
    settings = study.task(args.task, args.scale, args.changes)
    seeds = sorted(set(args.seeds or settings["seeds"]))
    early = settings["early"]
    if early and early["seed"] in seeds:
        parser.error(
            f"seed {early['seed']} is the one of {args.task} that ends early, after {early['meta_steps']} "
            "meta-steps: the workflow trains it"
        )
    try:
        gpus = int(args.device == "gpu")
        logger = prepare(threads=os.cpu_count() or 1, training=True, gpus=gpus)
    except NoGPUError as error:
        sys.exit(f"There is no GPU to train on: {error.reason}. To train on the CPU: --device cpu")
    logger.addHandler(logging.StreamHandler(sys.stdout))
    folder = Path(args.results) / args.scale
    from lopt.checkpoint import CheckpointLockedError

    try:
        done = train(args.task, settings, seeds, folder, args.minutes, began, logger)
    except (StoreError, CheckpointLockedError) as error:
        sys.exit(str(error))
    sys.exit(0 if done else 1)


def train(
    task: str,
    settings: dict,
    seeds: list[int],
    folder: Path,
    minutes: float | None,
    began: float,
    logger: logging.Logger,
) -> bool:
    """Train to the end or to the limit; return whether every seed is stored."""
    from lopt.checkpoint import Checkpoint
    from lopt.meta_training.abreast import of_seed, stacked, train_abreast
    from lopt.meta_training.loop import CurvePoint, MetaTrainingError, check_learned
    from lopt.meta_training.outcome import store_trained
    from lopt.progress import Progress
    from lopt.records import store
    from lopt.records.layout import Files

    files = Files.under(folder)
    training, begun, metadata = study.beginnings(task, settings, seeds)
    left = [
        place
        for place, facts in enumerate(metadata)
        if not stored_already(files, task, facts["seed"], facts)
    ]

    def checkpoint_of(seeds: list[int]) -> Path:
        name = f"abreast_{'_'.join(map(str, seeds))}.npz"
        return files.path("selection", task=task).with_name(name)

    path = checkpoint_of(seeds)
    if not left:
        for rest in (path, path.with_name(f"{path.name}.lock")):  # a kill may have left them
            rest.unlink(missing_ok=True)
        logger.info("all seeds are trained and stored: %s", ", ".join(map(str, seeds)))
        return True
    if path.exists():
        # Of all these seeds, some of which were stored before something ended this: it goes on with all.
        left = [seeds[place] for place in left]
    else:
        seeds, begun, metadata = (
            [each[place] for place in left] for each in (seeds, begun, metadata)
        )
        path, left = checkpoint_of(seeds), list(seeds)
    origins = [facts.get("start") for facts in metadata]
    first, identity = stacked(begun), {**metadata[0], "seed": seeds, "start": origins}
    seconds = training.settings.checkpoint_seconds
    with Checkpoint.locked(path, identity, seconds) as checkpoint:
        states, notes = checkpoint.load(first) or (
            first,
            {"curves": [[] for _ in seeds], "wall": 0.0},
        )
        if checkpoint.refusal:  # it may be hours of a GPU, so it is nothing to write over
            sys.exit(
                f"There is a checkpoint that can't be used. {checkpoint.refusal}. Move it away, or name "
                "another folder by --results."
            )
        curves, before = notes["curves"], notes["wall"]
        limit = None if minutes is None else 60.0 * minutes - (time.monotonic() - began)
        total = training.settings.meta_steps
        progress = Progress(total, "meta-step", logger, start=int(states.step[0]))

        def kept(states, now=False):
            wall = before + time.monotonic() - began
            checkpoint.save(states, {"curves": curves, "wall": wall}, now=now)

        def after_chunk(states, points):
            for curve, point in zip(curves, points, strict=True):
                curve.append(list(point))
            values = sorted(point.meta_objective for point in points)
            progress.report(points[0].step, objective=values[len(values) // 2])
            kept(states)

        states = train_abreast(
            training, seeds, states=states, after_chunk=after_chunk, seconds=limit
        )
        progress.close()
        if (step := int(states.step[0])) < total:
            kept(states, now=True)
            logger.info("%d of %d meta-steps; the same command goes on from %s", step, total, path)
            return False
        kept(states, now=True)  # whatever ends what follows, no meta-step is run again
        failed = []
        for place, seed in enumerate(seeds):
            if seed not in left:
                continue
            theta, curve, run = (
                files.path(kind, task=task, seed=seed) for kind in ("theta", "curve", "run")
            )
            points = [CurvePoint(*row) for row in curves[place]]
            reached = of_seed(states, place)
            try:
                check_learned(training, seed, reached, begun[place])
            except MetaTrainingError as error:
                logger.error("%s", error)
                failed.append(seed)
                continue
            seconds = (before + time.monotonic() - began) / len(seeds)  # what a seed took of them
            # Theta last: a seed that has one is stored.
            store.save_json(run, {"wall_seconds": round(seconds, 1)})
            store_trained(
                theta, curve, training, seed, reached, points, metadata[place], begun[place]
            )
            logger.info("%s", json.dumps({"seed": seed, "theta": str(theta)}))
        if not failed:
            checkpoint.remove()
    return not failed


def stored_already(files: "Files", task: str, seed: int, facts: dict) -> bool:
    """Return whether the optimizer that these facts describe is stored, with its curve and its run.

    Raises:
        SystemExit: if another one is, or a file that can't be read: nothing to write over.
    """
    path, *others = (files.path(kind, task=task, seed=seed) for kind in ("theta", "curve", "run"))
    if not path.exists():
        return False
    if lost := [other.name for other in others if not other.exists()]:
        sys.exit(
            f"{path} is there, but not its {' and '.join(lost)}. Bring them back, move it away, or name "
            "another folder by --results."
        )
    _, _, metadata = study.optimizer(path)
    keys = ("task", "seed", "problem", "steps", "optimizer", "meta_training", "start")
    facts = json.loads(json.dumps(facts))  # as they are stored
    if others := [key for key in keys if metadata.get(key) != facts.get(key)]:
        sys.exit(
            f"{path} was trained with another {', '.join(others)}. Move it away, or name another folder by "
            "--results."
        )
    return True


if __name__ == "__main__":
    main()
