"""The table of claims as a Markdown page: counts first, then figure by figure."""

from collections.abc import Iterable

import pandas as pd

from lopt.claims.compare import VERDICTS

__all__ = ["document"]

TITLES = {
    "1": "Figure 1: performance",
    "2": "Figure 2: momentum",
    "3": "Figure 3: gradient clipping",
    "4": "Figure 4: learning-rate schedules",
    "5": "Figure 5: learning-rate adaptation",
    "S": "Supplement",
}

INTRODUCTION = """\
# Published claims and ours, scale `{scale}`

*ours* is the optimizer that the figures show, *mean* and *spread* (standard deviation) are over all
training seeds. A number agrees when its error (in decades, or as a plain difference) is within the
tolerance: reading error of the published figure, allowance for another training run, and two standard
errors of the difference of two means over problems. A statement is answered yes or no per training seed by
a criterion that is stated with it. *scale too small* says that ours differs and that this scale
trains, tunes or evaluates with less than the study does in what the value rests on (column
`reduced` of `claims.csv`): the difference says nothing about the paper. *differs* is a result.
"""


def document(table: pd.DataFrame, scale: str) -> str:
    """Return the table of ``lopt.claims.compare.compare`` as Markdown."""
    shown = table[table["plotted"] == "yes"]
    parts = [INTRODUCTION.format(scale=scale), "## Verdicts\n", _counts(shown)]
    for figure in dict.fromkeys(table["figure"]):
        parts.append(f"## {TITLES.get(figure, f'Figure {figure}')}\n")
        of_figure = table[table["figure"] == figure]
        for task in dict.fromkeys(of_figure["task"]):
            parts.append(f"### {task}\n")
            here = of_figure[of_figure["task"] == task]
            statements = here[here["comparison"] == "answer"]
            if len(statements):
                parts.append(_statements(statements))
            if len(statements) < len(here):
                parts.append(_numbers(here[here["comparison"] != "answer"]))
    return "\n".join(parts)


def _markdown(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table; bars in the text are escaped."""
    lines = [list(header)]
    lines += [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _counts(table: pd.DataFrame) -> str:
    kinds = {"statements": table["comparison"] == "answer"}
    kinds["numbers"] = ~kinds["statements"]
    return _markdown(
        ["", *VERDICTS],
        [
            [kind, *(str(int((table[rows]["verdict"] == verdict).sum())) for verdict in VERDICTS)]
            for kind, rows in kinds.items()
        ],
    )


def _statements(table: pd.DataFrame) -> str:
    """One statement a row, its answers per seed side by side, the plotted seed first."""
    rows = []
    for quantity, group in table.groupby("quantity", sort=False):
        answers = [
            f"{row.ours} ({row.measured or 'not measured'})"
            + (f" seed {row.seed}" if row.seed != "" else "")
            for row in group.itertuples()
        ]
        first = group.iloc[0]
        rows.append(
            [quantity, first.published, "; ".join(answers), first.criterion, f"**{first.verdict}**"]
        )
    return _markdown(["statement", "published", "ours (measured)", "criterion", "verdict"], rows)


def _numbers(table: pd.DataFrame) -> str:
    columns = ["quantity", "published", "ours", "mean", "spread", "tolerance", "verdict"]
    rows = []
    for row in table.itertuples():
        unit = {"decades": " decades", "difference": ""}[row.comparison]
        rows.append(
            [getattr(row, name) for name in columns[:-2]]
            + [f"{row.tolerance}{unit}", f"**{row.verdict}**"]
        )
    return _markdown(columns, rows)
