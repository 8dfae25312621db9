"""Released optimizers: trained weights and tuned baselines that ship with the project.

    weights/<task>/seed_<n>.npz, seed_<n>.csv                 theta with its metadata; its training curve
    weights/baselines/<task>/<optimizer>/best.json, trials.csv    tuned setting; every trial of the search
    weights/attractors.csv                                    what each ends at: rate, drift, basin share
    weights/SHA256SUMS                                        a checksum per file, as sha256sum writes it

A folder within it that has checksums of its own is another release, of which this one says nothing.

How they are taken from there: ``lopt.learned.released``. ``release`` fills the folder from the results of a
scale, and ``describe`` says what is in it:

    python -m lopt.weights release results/paper weights
    python -m lopt.weights describe weights
    python -m lopt.weights cards weights            a model card beside each optimizer

Attractors come from the scale's analysis, if it has been done; of optimizers that are released already,

    python -m lopt.weights attractors results/released weights

takes them from the results of a scale that has analyzed these very optimizers. An optimizer also knows the
sizes of the gradients that it met in its training (``lopt.meta_training.outcome``); to those that were
trained before they were stored

    python -m lopt.weights gradients weights

adds them.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import numpy as np
import pandas as pd

from lopt.learned import make_family
from lopt.learned.released import check_those_that_stay, checked, digest, load_released
from lopt.learned.stored import load_optimizer, save_optimizer
from lopt.meta_training.loop import validation_problems
from lopt.meta_training.outcome import gradients_met
from lopt.printing import tell
from lopt.records import attractors, store, stored
from lopt.records.checksums import SUMS, stated
from lopt.records.entries import Number, Text
from lopt.records.evaluation import LEARNED
from lopt.records.layout import Files, identify
from lopt.records.model_card import model_card
from lopt.records.released import is_shipped
from lopt.records.store import StoreError
from lopt.tasks import make_task

__all__ = [
    "describe",
    "record_attractors",
    "record_gradients",
    "release",
    "write_cards",
]

ATTRACTORS = "attractors.csv"

# What the summary of the evaluation says of an optimizer, on problems that no training has seen.
HELD_OUT = (
    "problems",
    "diverged",
    "meta_objective",
    "meta_objective_se",
    "final_loss",
    "final_loss_se",
)


COUNT, NUMBER = Number(low=0, integer=True), Number(infinite=True, missing=True)
# What ``describe`` says of an optimizer, on top of what every theta has.
DESCRIBED = {
    "optimizer": {"units": COUNT},
    "meta_training": {"problems": COUNT, "meta_steps": COUNT},
    "meta_step": COUNT,
    "skipped_steps": COUNT,
    "device": Text(),
    **{f"evaluation_{name}": NUMBER for name in HELD_OUT},
}
# What it takes to see again which gradients an optimizer met in its training.
TRAINING = {
    "problem": {},
    "steps": Number(low=1, integer=True),
    "meta_training": {"validation_problems": Number(low=1, integer=True)},
}


def release(results: str | Path, folder: str | Path) -> list[str]:
    """Copy a scale's trained optimizers and tuned baselines to ``folder``; return the files' names.

    To each theta's metadata goes its mean meta-objective on the evaluation's problems; what the
    analysis found that it ends at, if that has been done, goes to the table of attractors. Files of
    other tasks and seeds in ``folder`` stay; the checksums are those of all files.

    Raises:
        StoreError: if the results of a task are incomplete, or a file that stays in ``folder`` is damaged or
            was changed; nothing is written then.
    """
    results, folder = Path(results), Path(folder)
    thetas, copies, found = [], {}, {}
    for path in sorted(results.glob("meta_training/*/seed_*/theta.npz")):
        task, seed = path.parts[-3:-1]
        _, theta, metadata = load_optimizer(path, **identify(path))
        metadata |= stored.load_run(path.with_name("run.json"))
        metadata |= _held_out(Files.under(results).path("summary", task=task), metadata["seed"])
        thetas.append((f"{task}/{seed}.npz", theta, metadata))
        found[task, metadata["seed"]] = attractors.of_results(results, task, metadata["seed"])
        stored.load_curve(path.with_name("curve.csv"))
        copies[f"{task}/{seed}.csv"] = store.load_bytes(path.with_name("curve.csv"))
    for path in sorted(results.glob("baselines/*/*/best.json")):
        place = "/".join(("baselines", *path.parts[-3:-1]))
        best = stored.load_best(path, path.parent.name)
        stored.load_trials(path.with_name("trials.csv"), path.parent.name, best["trials"])
        for file in (path, path.with_name("trials.csv")):
            copies[f"{place}/{file.name}"] = store.load_bytes(file)
    if not thetas and not copies:
        raise StoreError(f"{results}: holds neither trained optimizers nor tuned baselines")
    check_those_that_stay(folder, {*copies, *(name for name, _, _ in thetas)})
    for name, theta, metadata in thetas:
        save_optimizer(folder / name, theta, metadata)
    for name, content in copies.items():
        store.save_bytes(folder / name, content)
    attractors.update(folder / ATTRACTORS, found)
    written = [ATTRACTORS] if any(rows is not None for rows in found.values()) else []
    _write_sums(folder)
    write_cards(folder)
    return sorted([*copies, *written, *(name for name, _, _ in thetas)])


def record_attractors(results: str | Path, folder: str | Path) -> list[tuple[str, int]]:
    """Take what the released optimizers end at from the analyses of a scale; return whose were found.

    The scale's optimizers have to be the released ones. Rows of optimizers that it has not analyzed stay.

    Raises:
        StoreError: if a file is damaged, if an optimizer of the scale is not the one that was released, or
            if no released optimizer was analyzed.
    """
    results, folder = Path(results), Path(folder)
    found = {}
    for name in _released_files(folder):
        if not name.endswith(".npz"):
            continue
        task, seed = Path(name).parent.name, _seed(folder / name)
        rows = attractors.of_results(results, task, seed)
        if rows is None:
            continue
        trained = Files.under(results).path("theta", task=task, seed=seed)
        _, theta, _ = load_optimizer(trained, task=task, seed=seed)
        ours, _ = load_released(folder, task, seed)
        if not all(map(np.array_equal, jax.tree.leaves(theta), jax.tree.leaves(ours))):
            raise StoreError(f"{trained}: is not the optimizer that {folder / name} holds")
        found[task, seed] = rows
    if not found:
        raise StoreError(f"{results}: has analyzed none of the optimizers in {folder}")
    check_those_that_stay(folder)
    attractors.update(folder / ATTRACTORS, found)
    _write_sums(folder)
    return list(found)


def record_gradients(folder: str | Path) -> list[str]:
    """Add the gradients met in training to released optimizers that don't have them; return their names.

    They are measured again, on the problems that their trainings were validated on.

    Raises:
        StoreError: if there is no released optimizer, or a file is damaged or was changed, or does not say
            how it was trained.
    """
    folder, found = Path(folder), []
    names = [name for name in _released_files(folder) if name.endswith(".npz")]
    if not names:
        raise StoreError(_nothing_in(folder))
    for name in names:
        theta, metadata = load_released(folder, Path(name).parent.name, _seed(folder / name))
        if "gradients" in metadata:
            continue
        store.require(folder / name, metadata, TRAINING)
        task = make_task(metadata["task"], metadata["problem"])
        problems = validation_problems(task, metadata["meta_training"]["validation_problems"])
        family = make_family(metadata["optimizer"])
        met = gradients_met(task, family, theta, problems, steps=metadata["steps"])
        found.append((name, theta, metadata | {"gradients": met}))
    check_those_that_stay(folder)
    for name, theta, metadata in found:
        save_optimizer(folder / name, theta, metadata)
    if found:
        _write_sums(folder)
        write_cards(folder)
    return [name for name, _, _ in found]


def write_cards(folder: str | Path) -> list[str]:
    """Write a model card beside every released optimizer, from its metadata; return the files' names.

    Raises:
        StoreError: if a file is damaged or was changed.
    """
    folder, written, sums = Path(folder), [], stated(folder)
    shipped = is_shipped(folder)
    for name in _released_files(folder):
        if name.endswith(".npz"):
            _, metadata = load_released(folder, Path(name).parent.name, _seed(folder / name))
            card = str(Path(name).with_suffix(".md"))
            text = model_card(metadata, name, sums[name], shipped=shipped)
            store.save_bytes(folder / card, text.encode())
            written.append(card)
    return written


def describe(folder: str | Path) -> pd.DataFrame:
    """Return a table of the released optimizers, one a row, from their metadata.

    ``drift`` is the update that each goes on making where it ends without gradients, ideally 0
    (``lopt.records.attractors``).

    Raises:
        StoreError: if a file is missing, is damaged or was changed.
    """
    rows, ends = [], None
    for name in stated(folder) if (Path(folder) / SUMS).exists() else ():
        if name.endswith(".npz") and not (Path(folder) / name).exists():
            raise StoreError(
                f"{Path(folder) / name}: there is no such file, but {Path(folder) / SUMS} names it"
            )
    if (Path(folder) / ATTRACTORS).exists():
        checked(Path(folder), ATTRACTORS)
        ends = attractors.load_attractors(Path(folder) / ATTRACTORS)
    for name in _released_files(Path(folder)):
        if name.endswith(".npz"):
            task, seed = Path(name).parent.name, _seed(Path(folder) / name)
            _, facts = load_released(folder, task, seed)
            store.require(Path(folder) / name, facts, DESCRIBED)
            training = facts["meta_training"]
            score, error = (facts[f"evaluation_meta_objective{end}"] for end in ("", "_se"))
            rows.append(
                {
                    "task": task,
                    "seed": seed,
                    "units": facts["optimizer"]["units"],
                    "problems": training["problems"],
                    "meta_steps": training["meta_steps"],
                    "best_at": facts["meta_step"],
                    "skipped": facts["skipped_steps"],
                    "meta_objective": f"{score:.4f} ± {error:.4f}",
                    "final_loss": f"{facts['evaluation_final_loss']:.3g}",
                    "drift": "" if ends is None else attractors.drifts(ends, task, seed),
                    "device": facts["device"],
                    "hours": f"{facts['wall_seconds'] / 3600:.2f}"
                    if "wall_seconds" in facts
                    else "",
                }
            )
    return pd.DataFrame(rows)


def _seed(path: Path) -> int:
    match = re.fullmatch(r"seed_(\d+)", path.stem)
    if match is None:
        raise StoreError(f"{path}: released optimizers are called seed_<n>.npz")
    return int(match[1])


def _nothing_in(folder: str | Path) -> str:
    return f"{folder}: {'holds no released optimizer' if Path(folder).is_dir() else 'no folder'}"


def _held_out(path: Path, seed: int) -> dict[str, float]:
    table = stored.load_summary(path)
    row = table[(table["optimizer"] == LEARNED) & (table["seed"] == seed)]
    if len(row) != 1:
        raise StoreError(f"{path}: has {len(row)} rows for the learned optimizer of seed {seed}")
    return {f"evaluation_{name}": float(row[name].iloc[0]) for name in HELD_OUT}


def _released_files(folder: Path) -> Iterator[str]:
    others = [path.parent for path in folder.rglob(f"*/{SUMS}")]
    for path in sorted(folder.rglob("*")):
        if any(path.is_relative_to(other) for other in others):
            continue
        if path.suffix in (".npz", ".csv", ".json") and not path.name.startswith("."):
            yield path.relative_to(folder).as_posix()


def _write_sums(folder: Path) -> None:
    names = _released_files(folder)
    lines = [f"{digest(store.load_bytes(folder / name))}  {name}\n" for name in names]
    store.save_bytes(folder / SUMS, "".join(lines).encode())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error is one line, and the status 1."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    releasing = commands.add_parser("release", help=str(release.__doc__).splitlines()[0])
    releasing.add_argument("results", help="the folder of a scale, results/<scale>")
    recording = commands.add_parser(
        "attractors", help=str(record_attractors.__doc__).splitlines()[0]
    )
    recording.add_argument(
        "results", help="the folder of a scale that has analyzed these optimizers"
    )
    describing = commands.add_parser("describe", help=str(describe.__doc__).splitlines()[0])
    carding = commands.add_parser("cards", help=str(write_cards.__doc__).splitlines()[0])
    measuring = commands.add_parser("gradients", help=str(record_gradients.__doc__).splitlines()[0])
    for command in (releasing, recording, measuring, carding, describing):
        command.add_argument("folder", help="of the released files, for example weights")
    options = parser.parse_args(arguments)
    try:
        if options.command == "release":
            text = "\n".join(release(options.results, options.folder))
        elif options.command == "attractors":
            recorded = record_attractors(options.results, options.folder)
            text = "\n".join(f"{task}/seed_{seed}" for task, seed in recorded)
        elif options.command == "gradients":
            text = "\n".join(record_gradients(options.folder)) or "all of them had theirs"
        elif options.command == "cards":
            text = "\n".join(write_cards(options.folder))
        else:
            table = describe(options.folder)
            if table.empty:
                raise StoreError(_nothing_in(options.folder))
            text = table.to_string(index=False)
        tell(text)
    except (StoreError, OSError) as error:
        parser.exit(1, f"error: {error}\n")


if __name__ == "__main__":
    main()
