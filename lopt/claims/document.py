"""The table of claims arranged for a reader: counts first, then figure by figure, task by task."""

from collections.abc import Sequence

import pandas as pd

from lopt.claims.compare import VERDICTS

__all__ = ["INTRODUCTION", "markdown", "sections"]

TITLES = {
    "1": "Figure 1, performance",
    "2": "Figure 2, momentum",
    "3": "Figure 3, gradient clipping",
    "4": "Figure 4, learning-rate schedules",
    "5": "Figure 5, learning-rate adaptation",
    "S": "Supplement",
}

INTRODUCTION = """\
"Ours" is the optimizer that the figures show; "mean" and "spread" (standard deviation) are over all
training seeds. A number agrees when its error (in decades, or as a plain difference) is within the
tolerance: reading error of the published figure, allowance for another training run, and two standard
errors of the difference of two means over problems. A statement is answered yes or no per training seed by
a criterion that is stated with it. "scale too small" says that ours differs and that this scale trains,
tunes or evaluates with less than the study does in what the value rests on: the difference says
nothing about the paper. "differs" is a result.
"""


def sections(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the table of ``lopt.claims.compare.compare`` as (heading, smaller table of texts)."""
    parts = [("Verdicts", _counts(table[table["plotted"] == "yes"]))]
    reduced = table[table["reduced"] != ""].groupby("task", sort=False)["reduced"]
    if reduced.ngroups:
        # Every quantity names what it rests on; here each reduction once.
        lists = [[task, "; ".join(dict.fromkeys("; ".join(r).split("; ")))] for task, r in reduced]
        parts.append(("What this scale reduces", pd.DataFrame(lists, columns=["task", "reduced"])))
    for (figure, task), here in table.groupby(["figure", "task"], sort=False):
        heading = f"{TITLES.get(figure, f'Figure {figure}')}: {task.replace('_', ' ')}"
        statements = here["comparison"] == "answer"
        if statements.any():
            parts.append((f"{heading}, statements", _statements(here[statements])))
        if not statements.all():
            parts.append((f"{heading}, numbers", _numbers(here[~statements])))
    return parts


def markdown(title: str, introduction: str, parts: Sequence[tuple[str, pd.DataFrame]]) -> str:
    """Return sections as a Markdown page; bars in the text are escaped."""
    lines = [f"# {title}", "", introduction]
    for heading, table in parts:
        rows = [list(table), ["---"] * len(table.columns), *table.itertuples(index=False)]
        cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
        lines += [f"## {heading}", "", *(f"| {' | '.join(row)} |" for row in cells), ""]
    return "\n".join(lines)


def _counts(table: pd.DataFrame) -> pd.DataFrame:
    kinds = (table["comparison"] == "answer").map({True: "statements", False: "numbers"})
    counts = {
        (TITLES.get(figure, f"Figure {figure}"), kind): rows["verdict"].value_counts()
        for (figure, kind), rows in table.groupby(["figure", kinds], sort=False)
    }
    counts["all", ""] = table["verdict"].value_counts()
    return pd.DataFrame(
        [[*key, *(int(count.get(name, 0)) for name in VERDICTS)] for key, count in counts.items()],
        columns=["figure", "kind", *VERDICTS],
    )


def _statements(table: pd.DataFrame) -> pd.DataFrame:
    """One statement a row, its answers per seed side by side, the plotted seed first."""
    rows = []
    for quantity, group in table.groupby("quantity", sort=False):
        answers = "; ".join(
            f"{row.ours} ({row.measured or 'not measured'})"
            + (f" seed {row.seed}" if row.seed else "")
            for row in group.itertuples()
        )
        first = group.iloc[0]
        rows.append([quantity, first["published"], answers, first["verdict"], first["criterion"]])
    return pd.DataFrame(
        rows, columns=["statement", "published", "ours (measured)", "verdict", "criterion"]
    )


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    columns = ["quantity", "published", "ours", "mean", "spread", "tolerance", "verdict"]
    decades = (table["comparison"] == "decades").map({True: " decades", False: ""})
    return table.assign(tolerance=table["tolerance"] + decades)[columns]
