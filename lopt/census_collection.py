"""The optimizers of a census, all of a task in one compressed file: gathered, read, released.

    gather(path, trained, baselines)          from the folders of their trainings
    trained(path, task, variant)              family, theta and how each training ended
    baselines(path), failures(path, ...)      tuned baselines; the trainings that came to nothing
    take(released, path, variants)            a released file in place of trainings

    python -m lopt.census_collection release results/census weights/census
    python -m lopt.census_collection describe weights/census

``release`` copies the collections of a scale, writes their checksums and a card that says what they are.
``config.yaml`` names the folder (``collection``): a scale takes the tasks that it has, and trains the others.
"""

import argparse
import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lopt.learned.base import LearnedFamily
from lopt.learned.released import check_those_that_stay
from lopt.learned.stored import load_optimizer
from lopt.printing import tell
from lopt.records import checksums, store, stored
from lopt.records.census_card import census_card
from lopt.records.checksums import SUMS
from lopt.records.collection import load_collection, pack, unpack, unpacked_seeds
from lopt.records.entries import Number, Optional, Text
from lopt.records.store import StoreError

__all__ = ["Member", "baselines", "describe", "failures", "gather", "release", "take", "trained"]

CARD = "README.md"
RUN = {
    "failure": Text(),
    "meta_steps": Number(low=0, integer=True),
    "wall_seconds": Optional(Number(low=0)),
}
OF_A_TRAINING = ("theta.npz", "run.json", "curve.csv")
OF_A_BASELINE = ("best.json", "trials.csv")
HOW = {f"meta_training.{key}" for key in ("chunk", "checkpoint_seconds", "memory_budget_gb")}
"""Settings of how a training is run, which change nothing of what it leads to."""
ANEW = "Ask for what it has, or train anew: collection: null in the scale"


class Member(NamedTuple):
    """One trained optimizer of a variant."""

    seed: int
    family: LearnedFamily
    theta: Any
    failure: str
    """Why its training came to nothing; empty if it did not."""


def gather(path: str | Path, trained: Sequence[Path], baselines: Sequence[Path]) -> None:
    """Store what lies in the folders of trainings (.../<variant>/seed_<n>) and baselines as one file.

    Raises:
        StoreError: if a file is missing.
    """
    files = {
        f"{folder.parent.name}/{folder.name}/{name}": store.load_bytes(folder / name)
        for folder in trained
        for name in OF_A_TRAINING
    }
    for folder in baselines:
        for name in OF_A_BASELINE:
            files[f"baselines/{folder.name}/{name}"] = store.load_bytes(folder / name)
    pack(path, files)


def take(
    released: str | Path,
    path: str | Path,
    variants: Mapping[str, Sequence[int]],
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    baselines: Sequence[str] = (),
) -> None:
    """Copy a released collection after its checksum, and that it has what is asked for, were found right.

    Args:
        released: the file, in a folder with a list of checksums.
        path: where to.
        variants: the seeds that are asked for, by variant.
        settings: by variant what its optimizers' metadata must say: ``problem``, ``steps``,
            ``optimizer``, ``meta_training`` (default: anything).
        baselines: the tuned ones that are asked for.

    Raises:
        StoreError: if it is damaged or was changed, lacks an optimizer, or has one that was trained
            otherwise.
    """
    released = Path(released)
    sums, content = checksums.stated(released.parent), store.load_bytes(released)
    found = checksums.of_file(released)
    if sums.get(released.name) != found:
        raise StoreError(
            f"{released}: its SHA-256 is {found}, but {released.parent / SUMS} says "
            f"{sums.get(released.name, 'nothing of it')}; it is damaged or was changed"
        )
    with _unpacked(released) as (folder, files):
        tuned = {name.split("/")[1] for name in files if name.endswith("/best.json")}
        if missing := sorted(set(baselines) - tuned):
            raise StoreError(
                f"{released}: lacks the tuned {', '.join(missing)}; it has {', '.join(sorted(tuned))}. {ANEW}"
            )
        for variant, seeds in variants.items():
            known = unpacked_seeds(files, variant)
            if missing := sorted(set(seeds) - set(known)):
                raise StoreError(
                    f"{released}: lacks seeds {missing} of {variant}; it has {known or 'none'}. {ANEW}"
                )
            asked = settings[variant] if settings else {}
            for seed in seeds if asked else ():
                metadata = store.load_metadata(folder / variant / f"seed_{seed}" / "theta.npz")
                wanted = _flat(asked)
                had = _flat({key: metadata.get(key) for key in asked})
                for key in sorted({*wanted, *had} - HOW):
                    if had.get(key) != wanted.get(key):
                        raise StoreError(
                            f"{released}: {variant}, seed {seed}, was trained with {key} {had.get(key)}, but "
                            f"the configuration says {wanted.get(key)}. {ANEW}"
                        )
    store.save_bytes(path, content)


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the keys of nested ones as ``outer.inner``."""
    found = {}
    for key, value in settings.items():
        inner = _flat(value) if isinstance(value, Mapping) else {"": value}
        found |= {f"{key}.{name}".removesuffix("."): each for name, each in inner.items()}
    return found


def trained(
    path: str | Path, task: str, variant: str, seeds: Sequence[int] | None = None
) -> list[Member]:
    """Return the optimizers of one variant, by ascending seed.

    Args:
        path: of the collection.
        task: that they were trained on.
        variant: whose they are.
        seeds: these alone (default: all that there are).

    Raises:
        StoreError: if the file is damaged or has none of this variant, or an optimizer is not what it is
            said to be.
    """
    members = []
    with _unpacked(path) as (folder, files):
        known = unpacked_seeds(files, variant)
        if not known:
            there = sorted({name.split("/")[0] for name in files} - {"baselines"})
            raise StoreError(
                f"{path}: has no optimizers of {variant!r}; it has files of {', '.join(there) or 'none'}"
            )
        for seed in known if seeds is None else seeds:
            place = folder / variant / f"seed_{seed}"
            family, theta, metadata = load_optimizer(place / "theta.npz", task=task, seed=seed)
            store.require_values(place / "theta.npz", metadata, {"variant": variant})
            run = store.load_json(place / "run.json", RUN)
            members.append(Member(seed, family, theta, run["failure"]))
    return members


def baselines(path: str | Path) -> dict[str, dict[str, Any]]:
    """Return the tuned baselines by name, each as its ``best.json`` has it.

    Raises:
        StoreError: if the file is damaged.
    """
    with _unpacked(path) as (folder, files):
        names = [name.split("/")[1] for name in files if name.endswith("/best.json")]
        return {
            name: stored.load_best(folder / "baselines" / name / "best.json", name)
            for name in names
        }


def failures(path: str | Path, task: str) -> pd.DataFrame:
    """Return the trainings that came to nothing, one a row.

    ``meta_step`` is the last that was made, ``gradient_norm`` the last finite norm of the meta-gradient
    before it, ``recipe`` what it was trained with.

    Raises:
        StoreError: if the file is damaged.
    """
    rows = []
    with _unpacked(path) as (folder, files):
        for name in files:
            variant, member, file = name.split("/")
            if file != "run.json":
                continue
            place = folder / variant / member
            run = store.load_json(place / "run.json", RUN)
            if not run["failure"]:
                continue
            metadata = store.load_metadata(place / "theta.npz", expect={"task": task})
            curve = stored.load_curve(place / "curve.csv")
            norms = curve["gradient_norm"].to_numpy(float)
            norms = norms[np.isfinite(norms)]
            training = metadata.get("meta_training", {})
            rows.append(
                {
                    "task": task,
                    "variant": variant,
                    "seed": metadata["seed"],
                    "meta_step": run["meta_steps"],
                    "of": training.get("meta_steps", np.nan),
                    "gradient_norm": norms[-1] if norms.size else np.nan,
                    "recipe": ", ".join(
                        f"{key} {training[key]:g}"
                        for key in ("learning_rate", "decay_steps", "clip", "problems")
                        if key in training
                    ),
                    "reason": run["failure"],
                }
            )
    columns = ["task", "variant", "seed", "meta_step", "of", "gradient_norm", "recipe", "reason"]
    return pd.DataFrame(rows, columns=columns)


def release(results: str | Path, folder: str | Path) -> list[str]:
    """Copy the collections of a scale to ``folder``, with checksums and a card; return the files' names.

    Collections of other tasks in ``folder`` stay.

    Raises:
        StoreError: if the scale has none, or one is damaged, there or in ``folder``; nothing is written
            then.
    """
    results, folder = Path(results), Path(folder)
    found = {path.parent.name: path for path in sorted(results.glob("census/*/optimizers.zip"))}
    if not found:
        raise StoreError(f"{results}: has gathered no optimizers (census/<task>/optimizers.zip)")
    contents = {}
    for task, path in found.items():
        load_collection(path)
        contents[f"{task}.zip"] = store.load_bytes(path)
    check_those_that_stay(folder, contents)
    for name, content in contents.items():
        store.save_bytes(folder / name, content)
    names = sorted(path.name for path in folder.glob("*.zip"))
    sums = "".join(f"{checksums.of_file(folder / name)}  {name}\n" for name in names)
    store.save_bytes(folder / SUMS, sums.encode())
    card = census_card(describe(folder), sum((folder / name).stat().st_size for name in names))
    store.save_bytes(folder / CARD, card.encode())
    return [*names, SUMS, CARD]


def describe(folder: str | Path) -> pd.DataFrame:
    """Return a table of released collections, a variant a row.

    Raises:
        StoreError: if a file is damaged or was changed.
    """
    rows = []
    for name, wanted in checksums.stated(folder).items():
        path = Path(folder) / name
        if checksums.of_file(path) != wanted:
            raise StoreError(
                f"{path}: is damaged or was changed: {Path(folder) / SUMS} says {wanted}"
            )
        task, files = path.stem, load_collection(path)
        variants = sorted({each.split("/")[0] for each in files} - {"baselines"})
        for variant in variants:
            members = trained(path, task, variant)
            rows.append(
                {
                    "task": task,
                    "variant": variant,
                    "family": type(members[0].family).__name__,
                    "optimizers": len(members),
                    "failed": sum(bool(member.failure) for member in members),
                    "numbers": sum(np.size(leaf) for leaf in members[0].theta),
                }
            )
    return pd.DataFrame(rows)


@contextlib.contextmanager
def _unpacked(path: str | Path):
    """Yield a folder with a collection's files, and the files; the folder goes at the end.

    What is wrong with a file there is told of the collection.
    """
    files = load_collection(path)
    with tempfile.TemporaryDirectory(prefix="lopt_census_") as folder:
        unpack(files, folder)
        try:
            yield Path(folder), files
        except StoreError as error:
            raise StoreError(str(error).replace(f"{folder}/", f"{path}: ")) from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error is one line, and the status 1."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    releasing = commands.add_parser("release", help=str(release.__doc__).splitlines()[0])
    releasing.add_argument("results", help="the folder of a scale, results/<scale>")
    describing = commands.add_parser("describe", help=str(describe.__doc__).splitlines()[0])
    for command in (releasing, describing):
        command.add_argument("folder", help="of the released files, for example weights/census")
    options = parser.parse_args(arguments)
    try:
        if options.command == "release":
            text = "\n".join(release(options.results, options.folder))
        else:
            text = describe(options.folder).to_string(index=False)
        tell(text)
    except (StoreError, OSError) as error:
        parser.exit(1, f"error: {error}\n")


if __name__ == "__main__":
    main()
