"""The table of claims arranged for a reader: the headline first, then figure by figure, task by task."""

from collections.abc import Sequence

import pandas as pd

from lopt.claims.summary import items, summarize

__all__ = ["INTRODUCTION", "markdown", "matrix", "sections"]

TITLES = {
    "1": "Figure 1, performance",
    "2": "Figure 2, momentum",
    "3": "Figure 3, gradient clipping",
    "4": "Figure 4, learning-rate schedules",
    "5": "Figure 5, learning-rate adaptation",
    "6": "Figure 6, what each mechanism is worth",
    "7": "Figure 7, stability and speed by curvature",
    "S": "Supplement",
}

INTRODUCTION = """\
"Ours" is the optimizer that the figures show; "mean" and "spread" (standard deviation) are over all
training seeds. A number *agrees* when its error (in decades, or as a plain difference) is within the
tolerance: reading error of the published figure, allowance for another training run or search, and two
standard errors of the difference of two means over problems, added in quadrature; verdicts with half the
allowance and without it stand beside. "Allowance from" says whether it is the measured spread of our
"seeds" (three or more) or of resampled "searches", or was set "by hand". It *exceeds* when it is better
than published by more than that, and *differs* otherwise. Points of one curve are one item, with the median
distance over its points (negative: ours is lower). "smaller" says what this scale has less of than the
study in what the value rests on; it excuses nothing.

A statement is answered yes or no per training seed by a criterion that is stated with it; its verdict is
that of the seed which the figures show, and "on all seeds" counts those that every seed agrees with. It is
also asked of *nulls*: an untrained optimizer, one whose training ended early, and the tuned baselines. Where
none of them gives the published answer the statement *separates*; where all do, that the learned optimizer
does, too, says little.

Values by which a setting of the study was identified, and those that could not come out otherwise, are
marked and not counted. Where nothing is published, ours is shown without a verdict.
"""


def sections(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the table of ``lopt.claims.compare.compare`` as (heading, smaller table of texts)."""
    if table.empty:
        return [("Agreement by figure and task", matrix(summarize(table)))]
    independent, summary = items(table), summarize(table)
    parts = [("Agreement by figure and task", matrix(summary)), ("Counts", _titled(summary))]
    smaller = table[table["smaller"] != ""].groupby("task", sort=False)["smaller"]
    if smaller.ngroups:
        # Every quantity names what it rests on; here each size once.
        lists = [[task, "; ".join(dict.fromkeys("; ".join(s).split("; ")))] for task, s in smaller]
        parts.append(
            ("What is smaller at this scale", pd.DataFrame(lists, columns=["task", "smaller"]))
        )
    for (figure, task), here in table.groupby(["figure", "task"], sort=False):
        heading = f"{TITLES.get(figure, f'Figure {figure}')}: {task.replace('_', ' ')}"
        statements = here["comparison"] == "answer"
        own = independent[(independent["figure"] == figure) & (independent["task"] == task)]
        if statements.any():
            parts.append((f"{heading}, statements", _statements(here[statements])))
        if len(own):
            parts.append((f"{heading}, items", _items(own)))
        if not statements.all():
            parts.append((f"{heading}, numbers", _numbers(here[~statements])))
    return parts


def matrix(summary: pd.DataFrame) -> pd.DataFrame:
    """Return ``lopt.claims.summary.summarize``'s table as one row per figure and one column per task."""
    if summary.empty:
        return pd.DataFrame({"figure": ["no published value is of a task of this study"]})
    cells: dict[str, dict[str, str]] = {}
    for row in summary.itertuples():
        counts = []
        if row.items:
            exceed = f", {row.exceed} exceed" if row.exceed else ""
            at_less = f" ({row.agree_at_half} at half, {row.agree_at_none} at no allowance)"
            counts.append(f"items: {row.agree} of {row.items} agree{at_less}{exceed}")
        if row.statements:
            exceed = f", {row.statements_exceed} exceed" if row.statements_exceed else ""
            known = row.separate + row.separate_partly + row.separate_not
            said = [f"{row.statements_agree_on_all_seeds} on all seeds"]
            if known:
                said += [f"{row.separate} separate", f"{row.separate_partly} partly"]
            counts.append(
                f"statements: {row.statements_agree} of {row.statements} agree ({', '.join(said)}){exceed}"
            )
        cells.setdefault(row.figure, {})[row.task] = "; ".join(counts) or "nothing counts"
    tasks = list(dict.fromkeys(summary["task"]))
    rows = [
        [TITLES.get(figure, f"Figure {figure}"), *(by_task.get(task, "") for task in tasks)]
        for figure, by_task in cells.items()
    ]
    return pd.DataFrame(rows, columns=["figure", *(task.replace("_", " ") for task in tasks)])


def markdown(title: str, introduction: str, parts: Sequence[tuple[str, pd.DataFrame]]) -> str:
    """Return sections as a Markdown page, the first before the introduction; bars are escaped."""
    lines, note = [f"# {title}", ""], [introduction]
    for heading, table in parts:
        rows = [list(table), ["---"] * len(table.columns), *table.itertuples(index=False)]
        cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
        lines += [f"## {heading}", "", *(f"| {' | '.join(row)} |" for row in cells), "", *note]
        note = []
    return "\n".join(lines + note)


def _titled(summary: pd.DataFrame) -> pd.DataFrame:
    titles = summary["figure"].map(lambda figure: TITLES.get(figure, f"Figure {figure}"))
    readable = {column: column.replace("_", " ") for column in summary}
    return summary.assign(figure=titles).rename(columns=readable)


def _statements(table: pd.DataFrame) -> pd.DataFrame:
    """One statement a row, its answers per seed side by side, the plotted seed first."""
    nulls = [column for column in table if column.startswith("null_")]
    rows = []
    for quantity, group in table.groupby("quantity", sort=False):
        answers = "; ".join(
            f"{row.ours} ({row.measured or 'not measured'})"
            + (f" seed {row.seed}" if row.seed else "")
            for row in group.itertuples()
        )
        first = group.iloc[0]
        agreeing = [null.removeprefix("null_") for null in nulls if first[null] == "yes"]
        asked = any(first[null] for null in nulls)
        says_yes = (", ".join(agreeing) or "none") if asked else ""
        verdict = first["verdict"] + (f" ({first['mark']})" if first["mark"] else "")
        facts = [quantity, first["published"], answers, verdict]
        apart = first["separates"]
        if apart == "partly":
            apart = f"from {first['separates_from']}"
        rows.append([*facts, says_yes, apart, first["criterion"]])
    columns = ["statement", "published", "ours (measured)", "verdict", "nulls that say yes"]
    return pd.DataFrame(rows, columns=[*columns, "separates", "criterion"])


def _items(table: pd.DataFrame) -> pd.DataFrame:
    unit = (table["comparison"] == "decades").map({True: " decades", False: ""})
    marks = table["mark"].map(lambda mark: f" ({mark})" if mark else "")
    return pd.DataFrame(
        {
            "item": table["item"],
            "points": table["points"],
            "distance": table["distance"].map("{:.3g}".format) + unit,
            "tolerance": table["tolerance"].map("{:.3g}".format) + unit,
            "verdict": table["verdict"] + marks,
            "allowance from": table["allowance_from"],
            "at half allowance": table["at_half_allowance"],
            "at no allowance": table["at_no_allowance"],
            "smaller": table["smaller"],
        }
    )


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    columns = ["quantity", "published", "ours", "mean", "spread", "error", "tolerance", "verdict"]
    columns += ["allowance from"]
    decades = (table["comparison"] == "decades").map({True: " decades", False: ""})
    unit = decades.where(table["tolerance"] != "", "")
    marks = table["mark"].map(lambda mark: f" ({mark})" if mark else "")
    shown = table.assign(tolerance=table["tolerance"] + unit, verdict=table["verdict"] + marks)
    return shown.rename(columns={"allowance_from": "allowance from"})[columns]
