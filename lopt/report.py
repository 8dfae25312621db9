"""What the report shows beyond figures: how a run went, and tables as pages that need no network.

run_times       one row per job, from the benchmarks that the workflow wrote
trainings       one row per trained optimizer, from the metadata it was stored with
versions        what is installed here
page            tables or a text as a self-contained HTML page; ``table_html`` one table
"""

import html
import importlib.metadata
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

import lopt

__all__ = ["STYLE", "page", "run_times", "table_html", "trainings", "versions"]

RUN_TIMES = ("stage", "job", "seconds", "peak_memory_mb")
TRAININGS = (
    "task",
    "seed",
    "selected",
    "validation_meta_objective",
    "meta_step",
    "skipped_steps",
    "wall_seconds",
    "device",
    "machine",
    "config_digest",
    "versions",
)
PACKAGES = ("jax", "jaxlib", "numpy", "scipy", "optax", "pandas", "matplotlib", "snakemake")

STYLE = """\
body { font: 14px/1.45 sans-serif; margin: 1.5em; color: #222; background: #fff; }
h1 { font-size: 1.3em; } h2 { font-size: 1.05em; margin-top: 1.6em; }
p { max-width: 55em; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #ddd; padding: 0.25em 0.7em; text-align: left; vertical-align: top; }
th { position: sticky; top: 0; background: #f3f3f3; }
pre { background: #f6f6f6; padding: 1em; overflow-x: auto; }
.good { background: #d9efe4; } .bad { background: #f6dcd6; } .open { background: #f4ecd0; }
"""
# Cells that a reader looks for. Colour only repeats what the text says.
CLASSES = {"agrees": "good", "pass": "good", "exceeds": "open", "differs": "bad", "fail": "bad"}


def run_times(jobs: Iterable[tuple[str, str, Mapping[str, Any]]]) -> pd.DataFrame:
    """Return the table of run times, ending with a total per stage.

    Args:
        jobs: (stage, job, row of its benchmark file); of a job that was interrupted, the
            benchmark covers the last attempt.

    >>> run_times([("tune", "rosenbrock_adam", {"s": 2.0, "max_rss": 300.0})]).job[1]
    'all 1'
    """
    rows = [
        [
            stage,
            job,
            *(pd.to_numeric(row[key], errors="coerce") for key in ("s", "max_rss")),
        ]
        for stage, job, row in jobs
    ]
    table = pd.DataFrame(rows, columns=list(RUN_TIMES))
    totals = [
        [
            stage,
            f"all {len(group)}",
            group["seconds"].sum(),
            group["peak_memory_mb"].max(),
        ]
        for stage, group in table.groupby("stage", sort=False)
    ]
    return pd.DataFrame([*table.to_numpy().tolist(), *totals], columns=list(RUN_TIMES))


def trainings(optimizers: Iterable[Mapping[str, Any]], selected: Mapping[str, int]) -> pd.DataFrame:
    """Return the table of trained optimizers.

    Args:
        optimizers: the metadata that each was stored with.
        selected: by task, the seed that the figures show.
    """
    rows = []
    for metadata in optimizers:
        shown = metadata["seed"] == selected[metadata["task"]]
        packages = metadata.get("versions", {})
        facts = dict(metadata) | {
            "selected": "yes" if shown else "no",
            "versions": " ".join(f"{name} {number}" for name, number in sorted(packages.items())),
        }
        rows.append([facts.get(column, "") for column in TRAININGS])
    return pd.DataFrame(rows, columns=list(TRAININGS))


def versions() -> pd.DataFrame:
    """Return the table of what is installed where this runs."""
    rows = [["python", platform.python_version()], ["lopt", lopt.__version__]]
    for name in PACKAGES:
        try:
            rows.append([name, importlib.metadata.version(name)])
        except importlib.metadata.PackageNotFoundError:
            rows.append([name, "not installed"])
    rows += [
        ["system", f"{platform.system()} {platform.machine()}"],
        ["CPU cores", str(os.cpu_count())],
    ]
    return pd.DataFrame(rows, columns=["what", "version"])


def page(title: str, note: str, content: Sequence[tuple[str, pd.DataFrame]] | str) -> str:
    """Return sections (heading, table) or a text as an HTML page without outside references.

    >>> "&lt;b&gt;" in page("a title", "<b>", "text")
    True
    """
    if isinstance(content, str):
        body = f"<pre>{html.escape(content)}</pre>"
    else:
        body = "\n".join(
            (f"<h2>{html.escape(heading)}</h2>\n" if heading else "") + table_html(table)
            for heading, table in content
        )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{html.escape(title)}</h1>\n<p>{html.escape(note)}</p>\n{body}\n</body>\n</html>\n"
    )


def table_html(table: pd.DataFrame) -> str:
    """Return a table in HTML, its text escaped."""
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in table)
    rows = "\n".join(
        f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.itertuples(index=False, name=None)
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        text = "" if pd.isna(value) else f"{value:.5g}"
    else:
        text = str(value)
    kind = CLASSES.get(text)
    return f'<td class="{kind}">{text}</td>' if kind else f"<td>{html.escape(text)}</td>"
