"""Released optimizers: trained weights and tuned baselines that ship with the project.

    weights/<task>/seed_<n>.npz, seed_<n>.csv                 theta with its metadata; its training curve
    weights/baselines/<task>/<optimizer>/best.json, trials.csv    tuned setting; every trial of the search
    weights/SHA256SUMS                                        a checksum per file, as sha256sum writes it

    theta, metadata = load_released("weights", "linear_regression", 0)
    optimizer = GRU(**metadata["optimizer"]).build(theta)     # an optax.GradientTransformation

``take`` copies one file after its checksum was found right: the workflow's scale ``released`` uses it in
place of meta-training and tuning. ``release`` fills the folder from the results of a scale:

    python -m lopt.weights results/paper weights
"""

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lopt import store
from lopt.optimizers import GRUTheta
from lopt.store import StoreError

__all__ = ["load_released", "release", "take"]

SUMS = "SHA256SUMS"
# What the summary of the evaluation says of an optimizer, on problems that no training has seen.
HELD_OUT = (
    "problems",
    "diverged",
    "meta_objective",
    "meta_objective_se",
    "final_loss",
    "final_loss_se",
)


def take(folder: str | Path, name: str, output: str | Path) -> None:
    """Copy the released file ``name`` to ``output``, byte by byte.

    Raises:
        StoreError: if the file is missing, has no checksum, or is not what the checksum says.
    """
    store.save_bytes(output, _checked(Path(folder), name))


def load_released(folder: str | Path, task: str, seed: int) -> tuple[GRUTheta, dict[str, Any]]:
    """Return a released optimizer's theta and metadata.

    ``GRU(**metadata["optimizer"])`` is its family; ``metadata`` also has what it was trained on and
    with, where, and how it scores on held-out problems.

    Raises:
        StoreError: as ``take``, and if the file does not hold a theta.
    """
    name = f"{task}/seed_{seed}.npz"
    _checked(Path(folder), name)
    return store.load(Path(folder) / name, GRUTheta)


def release(results: str | Path, folder: str | Path) -> list[str]:
    """Copy a scale's trained optimizers and tuned baselines to ``folder``; return the files' names.

    To each theta's metadata goes its mean meta-objective on the evaluation's problems. Files of
    other tasks and seeds in ``folder`` stay; the checksums are those of all files.

    Raises:
        StoreError: if the results of a task are incomplete; nothing is written then.
    """
    results, folder = Path(results), Path(folder)
    thetas, copies = [], {}
    for path in sorted(results.glob("meta_training/*/seed_*/theta.npz")):
        task, seed = path.parts[-3:-1]
        theta, metadata = store.load(path, GRUTheta)
        metadata |= _held_out(results / "evaluation" / task / "summary.csv", metadata["seed"])
        thetas.append((f"{task}/{seed}.npz", theta, metadata))
        copies[f"{task}/{seed}.csv"] = store.load_bytes(path.with_name("curve.csv"))
    for path in sorted(results.glob("baselines/*/*/best.json")):
        place = "/".join(("baselines", *path.parts[-3:-1]))
        for file in (path, path.with_name("trials.csv")):
            copies[f"{place}/{file.name}"] = store.load_bytes(file)
    if not thetas and not copies:
        raise StoreError(f"{results}: holds neither trained optimizers nor tuned baselines")
    for name, theta, metadata in thetas:
        store.save(folder / name, theta, metadata)
    for name, content in copies.items():
        store.save_bytes(folder / name, content)
    _write_sums(folder)
    return sorted([*copies, *(name for name, _, _ in thetas)])


def _held_out(path: Path, seed: int) -> dict[str, float]:
    table = store.load_table(path, ("optimizer", "seed", *HELD_OUT))
    row = table[(table["optimizer"] == "learned") & (table["seed"] == seed)]
    if len(row) != 1:
        raise StoreError(f"{path}: has {len(row)} rows for the learned optimizer of seed {seed}")
    return {f"evaluation_{name}": float(row[name].iloc[0]) for name in HELD_OUT}


def _released_files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".npz", ".csv", ".json") and not path.name.startswith("."):
            yield path.relative_to(folder).as_posix()


def _write_sums(folder: Path) -> None:
    names = _released_files(folder)
    lines = [f"{_digest(store.load_bytes(folder / name))}  {name}\n" for name in names]
    store.save_bytes(folder / SUMS, "".join(lines).encode())


def _checked(folder: Path, name: str) -> bytes:
    lines = store.load_bytes(folder / SUMS).decode().splitlines()
    sums = {line[66:]: line[:64] for line in lines}
    content = store.load_bytes(folder / name)
    if name not in sums:
        raise StoreError(f"{folder / name}: {folder / SUMS} has no checksum for it")
    if _digest(content) != sums[name]:
        raise StoreError(
            f"{folder / name}: its SHA-256 is {_digest(content)}, but {folder / SUMS} says "
            f"{sums[name]}; it is damaged or was changed"
        )
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=release.__doc__.splitlines()[0])
    parser.add_argument("results", help="the folder of a scale, results/<scale>")
    parser.add_argument("folder", help="where released files go, for example weights")
    arguments = parser.parse_args()
    for name in release(arguments.results, arguments.folder):
        print(name)


if __name__ == "__main__":
    main()
