"""Turn tables into pages that the report can show."""

from pathlib import Path

from lopt.process import prepare

prepare(log=snakemake.log[0])

import pandas as pd

from lopt import report
from lopt.claims.document import INTRODUCTION, sections
from lopt.lineage import write_record
from lopt.records import store, stored

PAGES = {
    "claims": ("Published claims and ours", INTRODUCTION),
    "validation": ("Validation", "Optimizers whose answers are known, put through the analysis."),
    "run_times": ("Run times", "One row per job, as Snakemake measured it where it ran."),
    "trainings": ("Trained optimizers", "As recorded when each was stored."),
    "versions": ("Versions", "Installed where this page was made."),
    "configuration": ("Configuration", "The settings of this scale, merged into the study's."),
}


def content(name: str, path: Path) -> list[tuple[str, pd.DataFrame]] | str:
    """Return what a page shows: a text, sections, or one table."""
    if path.suffix == ".yaml":
        return store.load_bytes(path).decode()
    if name == "claims":
        return sections(stored.load_claims(path))
    return [("", store.load_table(path))]


def main(inputs, output) -> None:
    for name, (title, note) in PAGES.items():
        page = report.page(title, note, content(name, Path(inputs[name]))).encode()
        store.save_bytes(output[name], page)


main(snakemake.input, snakemake.output)
write_record(snakemake)
