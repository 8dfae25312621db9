"""A process killed while it writes: every file is whole, the old one or the new one, and nothing is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lopt.records import store, tables


class Numbers(NamedTuple):
    """As many numbers as it says."""

    count: Int[np.ndarray, ""]
    values: Float[np.ndarray, " count"]


WRITER = """
import sys
sys.path[:0] = sys.argv[2:]
import kills
kills.write_for_ever(sys.argv[1])
"""


def attempt(random: np.random.Generator, folder: Path) -> None:
    """Kill a writer at a random moment, read what there is, and write once more."""
    paths = [str(Path(__file__).parent), *sys.path]
    command = [sys.executable, "-c", WRITER, str(folder), *paths]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"writing\n"
        time.sleep(random.uniform(0.0, 0.2))
        os.kill(writer.pid, signal.SIGKILL)
    check(folder)
    write(folder, 10)
    check(folder)
    left = sorted(path.name for path in folder.iterdir())
    assert left == [".table.csv.sha256", "record.npz", "table.csv", "value.json"], left


def write_for_ever(folder: str) -> None:
    """Write all kinds of files, of all sizes, until a kill."""
    for count in range(1, 10**9):
        write(Path(folder), count % 997 + 1)
        if count == 1:
            print("writing", flush=True)


def write(folder: Path, count: int) -> None:
    """Write a file of every kind that holds ``count`` numbers, and says so."""
    record = Numbers(np.array(count), np.arange(float(count)))
    store.save(folder / "record.npz", record, {"count": count})
    store.save_table(folder / "table.csv", pd.DataFrame({"count": count, "row": np.arange(count)}))
    store.save_json(folder / "value.json", {"count": count, "rows": list(range(count))})


def check(folder: Path) -> None:
    """Each file holds as much as it says."""
    found, facts = store.load(folder / "record.npz", Numbers)
    assert int(found.count) == facts["count"] == found.values.size
    table = store.load_table(folder / "table.csv", ("count", "row"))
    assert len(table) == table["count"].iloc[0] and (table["row"] == np.arange(len(table))).all()
    # A kill between the two leaves the table without its checksum, never one that is not its own.
    checksum = tables.checksum_path(folder / "table.csv")
    assert not checksum.exists() or checksum.read_text().endswith("  table.csv\n")
    value = store.load_json(folder / "value.json")
    assert value["rows"] == list(range(value["count"]))
