"""Where each result comes from: a record per result, and the chain of them from a figure to its trainings.

    write_record(job)                       after a job: provenance/<result>.json below the scale's results
    trace("results/laptop/figures/...")     each result that the figure rests on, and what is wrong with it

A record has the SHA-256 of the result and of each input, digests of settings and code, the project's commit
and whether the tree was clean, versions, device, and the command that makes the result anew. Records lie
beside the results and not in them: results are the same bytes from one commit to the next, and neither a
commit nor a lost record makes the workflow run anything. Hence ``lopt.sources`` does not count this module as
code that a result depends on.

What ``trace`` finds wrong: a file that is missing; one whose bytes are not those that its job wrote
(changed); one that was made from other bytes than the input has now (stale); one without a record, or with
that of another result. Released weights have no job; their list of checksums stands in for a record. A record
names files as its job did, from the folder in which Snakemake ran: they are looked for from there, wherever
that lies now and whoever asks from where.
"""

import contextlib
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lopt
from lopt.config import digest
from lopt.records import checksums, store
from lopt.records.entries import Each, Optional, Text
from lopt.records.store import StoreError

__all__ = ["Link", "commit", "find", "told", "trace", "write_record"]

PACKAGE = Path(lopt.__file__).parent
FOLDER = "provenance"
VERSIONS = ("jax", "jaxlib", "numpy", "optax", "scipy", "matplotlib", "snakemake")
COMMAND = "snakemake --cores all --force "  # and the path of the result
RECORD = {
    "rule": Text(),
    "sha256": Text(),
    "inputs": Each(Text()),
    "command": Text(),
    "commit": Optional(Text()),
}


@dataclass(frozen=True)
class Link:
    """One file of the chain."""

    path: str
    depth: int
    """0 for what was asked for, 1 for its inputs, ..."""
    record: Mapping[str, Any] | None
    """What its job wrote down; None without a record."""
    problems: tuple[str, ...]
    again: bool = False
    """Whether it stands further up already, with its inputs."""


def commit(folder: Path | None = None) -> dict[str, Any]:
    """Return {"commit": ..., "clean": ...} of the clone that the package lies in; nothing outside of one."""
    folder = folder or PACKAGE.parent
    if _git(folder, "rev-parse", "--show-toplevel") != os.path.realpath(folder):
        return {}  # no clone, or one of something else, in which lopt is installed
    head = _git(folder, "rev-parse", "HEAD")
    if not head:
        return {}
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": head, "clean": changes == ""}


def write_record(job: Any) -> None:
    """Write down where the results of a job come from; ``job`` is what Snakemake hands to a script.

    What can't be written is left out: a result is no worse for it, and ``trace`` says that it has no record.
    """
    try:
        facts = _facts(job)
        for path in dict.fromkeys(map(str, job.output)):
            entry = {
                "sha256": _sum(Path(path)),
                **facts,
                "command": f"{COMMAND}{path}",
            }
            store.save_json(_place(path), entry)
    except Exception as error:
        # Whatever it is (a full disk, an input that is gone): the job has done what it was for.
        print(f"where the results come from is not recorded: {error}", file=sys.stderr)


def _facts(job: Any) -> dict[str, Any]:
    """Return what the results of a job have in common."""
    settings = {name: value for name, value in job.params.items() if name != "code"}
    return {
        "rule": job.rule,
        "wildcards": dict(job.wildcards.items()),
        "log": next(map(_relative, job.log), None),
        "inputs": {path: _sum(Path(path)) for path in dict.fromkeys(map(_relative, job.input))},
        "config_digest": digest(_plain(settings)),
        "code_digest": job.params.get("code"),
        **commit(),
        "versions": _versions(),
        "device": _device(),
        "machine": platform.machine(),
    }


def find(name: str, folder: str | Path = "results") -> Path:
    """Return the path of a figure or another result that a name stands for: fig4, or a path.

    Raises:
        StoreError: if there is none, or several scales have one.
    """
    if Path(name).exists():
        return Path(name)
    pattern = f"*/figures/{name}*.pdf" if re.fullmatch(r"\w+", name) else name
    there = sorted(Path(folder).glob(pattern)) if re.fullmatch(r"\w+", name) else []
    if len(there) == 1:
        return there[0]
    if there:
        raise StoreError(f"{name} may be {', '.join(map(str, there))}; name one of them")
    raise StoreError(f"{name}: there is no such file, and no such figure in {folder}/*/figures")


def trace(*paths: str | Path) -> Iterator[Link]:
    """Yield the chain of each result, what it rests on after it, and say of each file what is wrong.

    Raises:
        StoreError: if a record is damaged.
    """
    seen: set[str] = set()
    sums: dict[str, str] = {}
    for path in paths:
        yield from _trace(str(path), 0, seen, sums)


def _trace(path: str, depth: int, seen: set[str], sums: dict[str, str]) -> Iterator[Link]:
    def sum_of(name: str) -> str:
        if name not in sums:
            sums[name] = _sum(Path(name))
        return sums[name]

    if path in seen:
        yield Link(path, depth, None, (), again=True)
        return
    seen.add(path)
    if not Path(path).exists():
        yield Link(path, depth, None, ("missing",))
        return
    found = sum_of(path)
    place = _found_place(path)
    if place is None:
        yield Link(path, depth, None, _released(Path(path), found))
        return
    entry = store.load_json(place, RECORD)
    folder = _folder_of_the_job(path, entry["command"])
    if folder is None:
        own = entry["command"].removeprefix(COMMAND)
        yield Link(path, depth, entry, (f"its record is that of another result, {own}",))
        return
    problems: tuple[str, ...] = ()
    if entry["sha256"] != found:
        problems += ("changed: its bytes are not those that its job wrote",)
    names = {os.path.join(folder, name): wanted for name, wanted in entry["inputs"].items()}
    inputs = {name: (wanted, sum_of(name)) for name, wanted in names.items()}
    stale = [name for name, (wanted, now) in inputs.items() if now not in (wanted, "")]
    problems += tuple(f"stale: made from another {name}" for name in stale)
    yield Link(path, depth, entry, problems)
    for name in inputs:
        yield from _trace(name, depth + 1, seen, sums)


def _found_place(path: str) -> Path | None:
    """Return where the record of a result is, by whichever path it is named; None if there is none."""
    for name in (path, os.path.abspath(path)):
        with contextlib.suppress(ValueError):
            if (place := _place(name)).exists():
                return place
    return None


def _folder_of_the_job(path: str, command: str) -> str | None:
    """Return the folder from which the job of a result named files, "" for the working directory.

    None if the ``command`` of its record makes another result.
    """
    own = command.removeprefix(COMMAND)
    for name in (os.path.normpath(path), os.path.abspath(path)):
        if name == own or name.endswith(f"/{own}"):
            return name.removesuffix(own)
    return None


def _released(path: Path, found: str) -> tuple[str, ...]:
    """What is wrong with a file without a record: nothing, if it is a released one with its checksum."""
    for folder in path.parents:
        if (folder / checksums.SUMS).is_file():
            if path.name == checksums.SUMS:
                return ()
            wanted = checksums.stated(folder).get(path.relative_to(folder).as_posix())
            return () if wanted == found else ("changed: not what SHA256SUMS says",)
    return ("without a record of where it comes from",)


def told(links: Iterator[Link]) -> Iterator[tuple[str, bool]]:
    """Yield the chain as lines, and whether each is in order."""
    for link in links:
        line = f"{'  ' * link.depth}{link.path}"
        if link.again:
            line += "  (above)"
        elif link.record:
            made = f"{link.record['rule']}, {link.record.get('device') or 'cpu'}"
            if link.record.get("commit"):
                state = "" if link.record.get("clean") else ", changed tree"
                made += f", commit {link.record['commit'][:10]}{state}"
            line += f"  [{made}]"
        elif not link.problems:
            line += "  [released, checksum right]"
        for problem in link.problems:
            line += f"\n{'  ' * link.depth}  ! {problem}"
        yield line, not link.problems


def _place(path: str) -> Path:
    """Return where the record of a result lies.

    Raises:
        ValueError: if the path is not one below results/<scale>.
    """
    parts = re.fullmatch(r"((?:.*/)?results/[^/]+)/(.+)", Path(path).as_posix())
    if parts is None or parts[2].startswith(f"{FOLDER}/"):
        raise ValueError(f"{path} is no result")
    return Path(parts[1], FOLDER, f"{parts[2]}.json")


def _relative(path: Any) -> str:
    """Return the path from the working directory, where it leads below that: projects are moved."""
    absolute = Path(os.path.abspath(str(path)))
    here = Path.cwd()
    return absolute.relative_to(here).as_posix() if absolute.is_relative_to(here) else str(path)


def _sum(path: Path) -> str:
    """Return the SHA-256 of a file, of a folder that of its files' list; "" if it is not there."""
    if path.is_dir():
        return digest(checksums.found(path))
    return checksums.of_file(path) if path.exists() else ""


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _versions() -> dict[str, str]:
    found = {"lopt": lopt.__version__, "python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # as in an environment of a rule's own
            continue
    return found


def _device() -> str:
    jax = sys.modules.get("jax")
    if jax is None:
        return "cpu"
    device = jax.devices()[0]
    return device.device_kind if device.platform != "cpu" else "cpu"


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what Git answers, or None; what the user's shell says of another repository is left out."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        run = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            env=environment,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip()
