"""A census as a page to read: shares with their intervals, failed trainings, where published numbers fall."""

import math

import pandas as pd

from lopt.claims.census import STATEMENT
from lopt.claims.draws import LEAST, SEARCHES

__all__ = ["markdown"]

INTRODUCTION = """\
Every optimizer that was trained counts, whether its training failed or not. A cell has how many of how
many say yes, and Wilson's 95 % interval of the share; where the paper answers the question, its answer
stands beside it.
"""


def markdown(
    scale: str,
    measured: pd.DataFrame,
    shares: pd.DataFrame,
    ranks: pd.DataFrame,
    failures: pd.DataFrame,
    draws: pd.DataFrame,
) -> str:
    """Return the page (Markdown)."""
    trained = measured[["task", "variant", "seed"]].drop_duplicates()
    parts = [f"# Census, scale {scale}", "", f"{len(trained)} optimizers. {INTRODUCTION}"]
    for task, of_task in shares.groupby("task", sort=False):
        parts += [f"## {task}", "", *_table(_matrix(of_task)), ""]
        correlated = ranks[(ranks["task"] == task) & (ranks["variant"] == "all")]
        if len(correlated):
            parts += ["Rank correlation of each number with the meta-objective, all variants", ""]
            parts += ["(negative: those with more of it are better):", ""]
            parts += [*_table(_ranks(correlated)), ""]
    parts += ["## Trainings that failed", ""]
    parts += _table(_failures(failures)) if len(failures) else ["None."]
    parts += ["", "## Published numbers as draws", ""]
    parts += [
        "Per published number and ensemble of ours: the 95 % prediction interval of one more draw, and",
        f"whether the published one is within it. Fewer than {LEAST} numbers have no interval.",
        "",
    ]
    known = draws[draws["place"] != "unknown"]
    nothing = "No ensemble has as many." if len(draws) else "Nothing is published of these tasks."
    parts += _table(_places(known)) if len(known) else [nothing]
    searches = draws[draws["ensemble"].astype(str).str.startswith(SEARCHES)]
    if len(searches):
        parts += ["", "How often a search ends below the published value:", ""]
        parts += _table(_searches(searches))
    unanswered = _unanswered(measured, shares)
    if unanswered:
        parts += [
            "",
            f"Not asked, since nothing they rest on was computed: {', '.join(unanswered)}.",
        ]
    return "\n".join(parts) + "\n"


def _unanswered(measured: pd.DataFrame, shares: pd.DataFrame) -> list[str]:
    asked = measured.loc[measured["kind"] == STATEMENT, "name"].unique()
    return sorted(set(asked) - set(shares["statement"]))


def _matrix(shares: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for question, found in shares.groupby("question", sort=False):
        published = found["published"].iloc[0]
        row = {"statement": question, "published": published}
        for each in found.itertuples():
            row[each.variant] = f"{each.yes}/{each.optimizers} ({each.low:.0%} to {each.high:.0%})"
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def _ranks(ranks: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "statement": ranks["statement"].str.replace("_", " "),
            "rank correlation": ranks["rank_correlation"].map("{:+.2f}".format),
            "p": ranks["p_value"].map("{:.2g}".format),
            "optimizers": ranks["optimizers"],
        }
    )


def _failures(failures: pd.DataFrame) -> pd.DataFrame:
    shown = failures.copy()
    shown["gradient_norm"] = [
        "" if math.isnan(norm) else f"{norm:.3g}" for norm in shown["gradient_norm"]
    ]
    return shown.rename(columns={"gradient_norm": "norm of the meta-gradient before"})


def _places(draws: pd.DataFrame) -> pd.DataFrame:
    counted = draws.groupby(["task", "ensemble"], sort=False)["place"].value_counts()
    table = counted.unstack(fill_value=0).reset_index()
    for place in ("within", "below", "above"):
        if place not in table:
            table[place] = 0
    return table[["task", "ensemble", "within", "below", "above"]]


def _searches(draws: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "task": draws["task"],
            "quantity": draws["quantity"],
            "published": draws["published"],
            "ours, median": draws["median"].map("{:.3g}".format),
            "lowest to highest": [
                f"{low:.3g} to {high:.3g}"
                for low, high in zip(draws["lowest"], draws["highest"], strict=True)
            ],
            "below": draws["share_below"].map("{:.0%}".format),
            "of": draws["draws"],
        }
    )


def _table(table: pd.DataFrame) -> list[str]:
    head = "| " + " | ".join(map(str, table.columns)) + " |"
    rows = ["| " + " | ".join(map(_cell, row)) + " |" for row in table.itertuples(index=False)]
    return [head, "|" + "---|" * len(table.columns), *rows]


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
