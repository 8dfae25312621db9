"""The card of the released optimizers of a census: what is in the collection, from the collection alone."""

import pandas as pd

__all__ = ["census_card"]


def census_card(table: pd.DataFrame, size: int) -> str:
    """Return the card (Markdown) of a folder of collections.

    Args:
        table: a variant a row: task, variant, family, optimizers, failed, numbers.
        size: [bytes] of all files together.
    """
    optimizers, failed = int(table["optimizers"].sum()), int(table["failed"].sum())
    rows = [
        f"| {row.task} | `{row.variant}` | {row.family} | {row.numbers:,} | {row.optimizers} "
        f"| {row.failed} |"
        for row in table.itertuples()
    ]
    task, variant = table["task"].iloc[0], table["variant"].iloc[0]
    return "\n".join(
        [
            "---",
            "license: cc-by-4.0",
            "library_name: lopt",
            "tags: [learned-optimizer, meta-learning, jax]",
            "---",
            "",
            f"# A census of learned optimizers: {optimizers} on {table['task'].nunique()} tasks",
            "",
            "<!-- Generated from the files by `python -m lopt.census_collection release`. -->",
            "",
            "Optimizers that were meta-trained from scratch with nothing chosen: every seed of every",
            f"variant is here. {_told(failed)} One compressed file per task,",
            f"{size / 1e6:.1f} MB together; `SHA256SUMS` has their checksums.",
            "",
            "| task | variant | family | parameters | optimizers | of these failed |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "```python",
            "from lopt.census_collection import trained",
            "",
            f'members = trained("weights/census/{task}.zip", "{task}", "{variant}")',
            "members[0].family.build(members[0].theta)  # an optimizer of optax",
            "```",
            "",
            "An archive holds `<variant>/seed_<n>/{theta.npz, run.json, curve.csv}` and the tuned",
            "baselines, `baselines/<optimizer>/{best.json, trials.csv}`. Each theta's metadata have its",
            "recipe, versions and commit.",
            "",
            "**Meant for** study: how often a mechanism appears, in which architecture. They were trained",
            "for about a minute each: **not meant for** comparing what the architectures can reach, nor for",
            "training networks of one's own.",
            "",
        ]
    )


def _told(failed: int) -> str:
    if not failed:
        return "No training failed."
    whose = "One training failed; its" if failed == 1 else f"{failed} trainings failed; their"
    return f"{whose} `run.json` says why, and theta is the best before."
