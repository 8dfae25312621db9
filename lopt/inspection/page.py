"""One analysis as a page that needs no network: answers, tables, figures, a slider of the state."""

import base64
import html
import io

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from lopt import report
from lopt.analysis.gains import rates_at_zero
from lopt.analysis.responses import update_function
from lopt.claims.evidence import OptimizerResults
from lopt.inspection.asking import Answer
from lopt.inspection.slider import MovingPath, moving_part
from lopt.optimizers.component import ComponentOptimizer
from lopt.records.analysis import Code

__all__ = ["moving_paths", "page"]

PLACES = 61  # along a path: a page of a megabyte at most
MODES = 12  # in the table

STYLE = """\
#moving svg { width: 26em; max-width: 48%; background: #fff; }
#moving input { width: 20em; vertical-align: middle; }
figure { margin: 1em 0; } figure img { max-width: 44em; width: 100%; }
"""


def page(
    title: str,
    facts: list[str],
    answers: tuple[Answer, ...],
    results: OptimizerResults | None,
    state_names: tuple[str, ...],
    component: ComponentOptimizer,
    figures: dict[str, Figure],
) -> str:
    """Return the page.

    Args:
        title: its heading.
        facts: sentences below it: what was run, where it was read, what is missing.
        answers: to the questions.
        results: of all stages, or None if one is missing: then there are no tables and no slider.
        state_names: what the entries of the state are called.
        component: the optimizer, float64.
        figures: by caption.
    """
    parts = [f"<h1>{html.escape(title)}</h1>", *(f"<p>{html.escape(fact)}</p>" for fact in facts)]

    def section(heading: str, *content: str) -> None:
        parts.extend([f"<h2>{html.escape(heading)}</h2>", *content])

    columns = ["answer", "question", "sentence", "criterion"]
    table = pd.DataFrame([[getattr(each, name) for name in columns] for each in answers])
    table.columns = ["answer", "question", "what was found", "criterion"]
    section("What it does", report.table_html(table))
    if results is not None:
        paths = moving_paths(component, results)
        section(
            "Move the state",
            moving_part(np.asarray(results.responses.update_gradients), paths),
        )
        section("Where runs end", report.table_html(_attractors(results, state_names)))
        section("Modes at the convergence point", report.table_html(_modes(results)))
    for caption, figure in figures.items():
        section(caption, _embedded(figure, caption))
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{report.STYLE}{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def moving_paths(component: ComponentOptimizer, results: OptimizerResults) -> list[MovingPath]:
    """Return what the slider moves along: the autonomous trajectory and the slow mode.

    Updates and rates are computed anew at every place, by the optimizer itself.
    """
    responses = results.responses
    autonomous = np.asarray(results.trajectories.autonomous_states)
    kept = np.unique(np.linspace(0, len(autonomous) - 1, min(PLACES, len(autonomous))).astype(int))
    reach = float(np.abs(responses.slow_mode_positions).max())
    positions = np.linspace(-reach, reach, PLACES)
    h_star = np.asarray(results.fixed_points.convergence_point)
    along = h_star + positions[:, None] * np.asarray(responses.slow_mode_direction)

    def path(
        name: str, coordinate: str, places: Float[np.ndarray, " place"], states: np.ndarray
    ) -> MovingPath:
        updates = update_function(component, states, responses.update_gradients)
        rates = rates_at_zero(component, states, float(responses.typical_gradient))
        return MovingPath(name, coordinate, places, np.asarray(updates), rates.learning_rates)

    with jax.enable_x64(True):
        return [
            path(
                "the autonomous trajectory",
                "iteration",
                kept.astype(float),
                autonomous[kept],
            ),
            path("the slow mode", "position", positions, along),
        ]


def _attractors(results: OptimizerResults, names: tuple[str, ...]) -> pd.DataFrame:
    points = results.fixed_points
    rows = []
    for row, state in enumerate(np.asarray(points.attractor_points)):
        code = Code(int(points.attractor_codes[row])).name.lower().replace("_", " ")
        shown = ", ".join(
            f"{name} = {value:.4g}" for name, value in zip(names[:6], state[:6], strict=True)
        )
        rows.append(
            {
                "kind": "fixed point" if code == "converged" else code,
                "stable": "yes" if points.attractor_stable[row] else "no",
                "share of last states": float(points.attractor_basin_shares[row]),
                "learning rate": float(points.attractor_learning_rates[row]),
                "drift": float(points.attractor_updates[row]) + 0.0,
                "state": shown + (", ..." if len(state) > 6 else ""),
            }
        )
    return pd.DataFrame(rows)


def _modes(results: OptimizerResults) -> pd.DataFrame:
    modes = results.linearization
    heads = np.flatnonzero(np.asarray(modes.heads) == 1)
    strongest = heads[np.argsort(-np.asarray(modes.whole_sizes)[heads], kind="stable")][:MODES]
    return pd.DataFrame(
        {
            "momentum": np.asarray(modes.momenta)[strongest],
            "eigenvalue": [
                f"{v.real:.5g}" + (f" ± {abs(v.imag):.5g}i" if v.imag else "")
                for v in np.asarray(modes.eigenvalues)[strongest]
            ],
            "learning rate": np.asarray(modes.whole_learning_rates)[strongest],
            "± (learning rate)": np.asarray(modes.learning_rate_errors)[strongest],
            "timescale (steps)": np.asarray(modes.timescales)[strongest],
        }
    )


def _embedded(figure: Figure, caption: str) -> str:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    data = base64.b64encode(picture.getvalue()).decode()
    return f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,{data}"></figure>'
