"""Turn tables into pages that the report can show."""

from pathlib import Path

from lopt.process import prepare

prepare(log=snakemake.log[0])

from lopt import report, store

CLAIMS = ["figure", "task", "quantity", "seed", "published", "ours", "mean", "spread", "measured"]
CLAIMS += ["tolerance", "comparison", "verdict", "reduced"]
PAGES = {
    "claims": (
        "Published claims and ours",
        "Every value of the paper's figures, then ours.",
        CLAIMS,
    ),
    "validation": (
        "Validation",
        "Optimizers whose answers are known, put through the analysis.",
        None,
    ),
    "run_times": ("Run times", "One row per job, as measured where it ran.", None),
    "trainings": ("Trained optimizers", "As recorded when each was stored.", None),
    "versions": ("Versions", "Installed where this page was made.", None),
    "configuration": (
        "Configuration",
        "The settings of this scale, merged into the study's.",
        None,
    ),
}


def main(inputs, output) -> None:
    for name, (title, note, columns) in PAGES.items():
        path = Path(inputs[name])
        table = path.read_text() if path.suffix == ".yaml" else store.load_table(path)
        page = report.page(title, note, table, columns).encode()
        store.write_atomically(output[name], lambda file, page=page: file.write(page))


main(snakemake.input, snakemake.output)
