"""Tables: tidy CSV files, one fact a row, that notice when a part of them is lost.

A table is plain CSV, readable by any program. Since nothing in a CSV file says where it ends or what it
held, its SHA-256 lies beside it in ``.<name>.sha256``, as ``sha256sum`` writes it: a table that was cut off
or changed is refused. One without that file (made by hand, or copied without it) is read as it is.

    load_table(path, {"step": Number(low=0, integer=True), "loss": Number(infinite=True)}, rows=50)

checks every cell of the columns it names, and the message says which line is wrong.
"""

import csv
import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lopt.records.atomic import StoreError, write_atomically
from lopt.records.entries import Number, Text, brief

__all__ = ["checksum_path", "load_table", "save_table", "write_checksum"]

Column = Number | Text
csv.field_size_limit(2**24)  # a damaged quote makes one field of the rest of the file


def save_table(path: str | Path, table: pd.DataFrame) -> None:
    """Store a tidy table as CSV, floats with nine digits (all of a float32), and its checksum beside it.

    Raises:
        StoreError: if it can't be written; what stood at ``path`` still does.
    """
    content = table.to_csv(index=False, float_format="%.9g", lineterminator="\n").encode()
    # Until the new table and its checksum both stand there, no checksum is beside the table.
    try:
        checksum_path(path).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: can't be written ({error.strerror or error})") from error
    write_atomically(path, lambda file: file.write(content))
    write_checksum(path, content)


def checksum_path(path: str | Path) -> Path:
    """Return where the checksum of the table at ``path`` lies."""
    path = Path(path)
    return path.with_name(f".{path.name}.sha256")


def write_checksum(path: str | Path, content: bytes) -> None:
    """Store the checksum of the table at ``path``, which has this content."""
    line = f"{hashlib.sha256(content).hexdigest()}  {Path(path).name}\n".encode()
    write_atomically(checksum_path(path), lambda file: file.write(line))


def load_table(
    path: str | Path,
    columns: Sequence[str] | Mapping[str, Column] = (),
    *,
    rows: int | None = None,
    separator: str = ",",
) -> pd.DataFrame:
    """Return the table at ``path``.

    Args:
        path: of the file.
        columns: that it must have at least; with kinds, every cell of theirs is checked, and texts stay
            as they are written.
        rows: how many it must have, where that is known.
        separator: between cells.

    Raises:
        StoreError: if the file is missing, unreadable, cut off or changed since it was written, or lacks
            a column; if a cell is not of its column's kind.
    """
    path = Path(path)
    content = _content(path)
    table, lines = _parsed(path, content, separator)
    missing = [column for column in columns if column not in table]
    if missing:
        raise StoreError(f"{path}: lacks the columns {missing}; it has {brief(str(list(table)))}")
    found = _inferred(path, content, separator)
    if isinstance(columns, Mapping):
        if not content.endswith(b"\n"):
            raise StoreError(f"{path}: its last line is cut off")
        for name, kind in columns.items():
            found[name] = _checked(path, name, table[name], kind, lines)
    if rows is not None and len(found) != rows:
        raise StoreError(f"{path}: has {len(found)} rows, expected {rows}")
    _compare_checksum(path, content)
    return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no such file") from None
    except OSError as error:
        raise StoreError(f"{path}: can't be read ({error.strerror or error})") from None


def _parsed(path: Path, content: bytes, separator: str) -> tuple[dict[str, list[str]], list[int]]:
    """Return the columns as texts, and the line of the file that each row ends on."""
    if b"\0" in content:
        raise StoreError(f"{path}: not a readable table (it holds a zero byte)")
    try:
        reader = csv.reader(
            io.StringIO(content.decode(), newline=""), delimiter=separator, strict=True
        )
        records = [(reader.line_num, record) for record in reader if record]
    except (csv.Error, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: not a readable table ({brief(str(error))})") from None
    if not records:
        raise StoreError(f"{path}: not a readable table (it is empty)")
    (_, header), *body = records
    if len(set(header)) < len(header):
        raise StoreError(f"{path}: not a readable table (two columns have one name)")
    for line, record in body:
        if len(record) != len(header):
            raise StoreError(
                f"{path}: not a readable table (line {line} has {len(record)} cells, expected "
                f"{len(header)})"
            )
    columns = {name: [record[place] for _, record in body] for place, name in enumerate(header)}
    return columns, [line for line, _ in body]


def _inferred(path: Path, content: bytes, separator: str) -> pd.DataFrame:
    try:
        return pd.read_csv(io.BytesIO(content), sep=separator)
    except (ValueError, OverflowError) as error:  # pandas' own errors are ValueErrors
        raise StoreError(f"{path}: not a readable table ({brief(str(error))})") from None


def _checked(path: Path, name: str, cells: list[str], kind: Column, lines: list[int]) -> np.ndarray:
    if isinstance(kind, Text):
        bad = [row for row, cell in enumerate(cells) if kind.choices and cell not in kind.choices]
        values = np.array(cells, dtype=object)
    else:
        values = np.array([_number(cell) for cell in cells])
        bad = [
            row
            for row, (cell, value) in enumerate(zip(cells, values.tolist(), strict=True))
            if not (
                kind.allows(value) and (not math.isnan(value) or cell.strip().lower() in MISSING)
            )
        ]
    if bad:
        raise StoreError(
            f"{path}, line {lines[bad[0]]}: {name} is {cells[bad[0]][:60]!r}, expected {kind}"
        )
    return values.astype(np.int64) if isinstance(kind, Number) and kind.integer else values


MISSING = ("", "nan")


def _number(cell: str) -> float:
    try:
        return math.nan if "_" in cell else float(cell)
    except ValueError:
        return math.nan


def _compare_checksum(path: Path, content: bytes) -> None:
    beside = checksum_path(path)
    if not beside.exists():
        return
    expected, found = _content(beside).decode(errors="replace")[:64], hashlib.sha256(content)
    if found.hexdigest() != expected:
        raise StoreError(
            f"{path}: was cut off or changed since it was written: its SHA-256 is {found.hexdigest()}, "
            f"expected {expected} ({beside}). To use it as it is, delete {beside.name}"
        )
