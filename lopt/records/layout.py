"""Where the results of a scale lie: the one place that knows.

    results/<scale>/<PLACES[kind]>        for example analysis/{task}/seed_{seed}/responses.npz

The workflow's rules take their paths from ``pattern``. What reads results takes them from ``Files``: either
every place under one folder, or just the files that a rule names, which are recognized by the end of their
paths, wherever the workflow was told to put them.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from lopt.records.atomic import StoreError

__all__ = ["PLACES", "Files", "identify", "pattern", "recognize"]

PLACES: Mapping[str, str] = {
    "theta": "meta_training/{task}/seed_{seed}/theta.npz",
    "run": "meta_training/{task}/seed_{seed}/run.json",
    "curve": "meta_training/{task}/seed_{seed}/curve.csv",
    "selection": "meta_training/{task}/selection.json",
    "best": "baselines/{task}/{optimizer}/best.json",
    "trials": "baselines/{task}/{optimizer}/trials.csv",
    "evaluation_runs": "evaluation/{task}/part_{part}.npz",
    "losses": "evaluation/{task}/losses.npz",
    "summary": "evaluation/{task}/summary.csv",
    "trajectories": "analysis/{task}/seed_{seed}/trajectories.npz",
    "fixed_points": "analysis/{task}/seed_{seed}/fixed_points.npz",
    "linearization": "analysis/{task}/seed_{seed}/linearization.npz",
    "responses": "analysis/{task}/seed_{seed}/responses.npz",
    "nulls": "nulls/{task}",
    "nulls_sums": "nulls/{task}.json",
    "intervention_runs": "interventions/{task}/seed_{seed}/part_{part}.npz",
    "interventions": "interventions/{task}/interventions.csv",
    "broken": "interventions/{task}/broken.csv",
    "transfer_runs": "interventions/{task}/transfer_part_{part}.csv",
    "transfer": "interventions/transfer.csv",
    "distilled": "interventions/{task}/distilled.csv",
    "stability": "interventions/{task}/stability.npz",
    "portrait": "portraits/{task}.npz",
    "common_optimizers": "common_optimizers/{task}.npz",
    "validation": "validation.csv",
    "claims": "claims.csv",
    "claims_page": "claims.md",
    "figure": "figures/{figure}.{kind}",
    "run_times": "run_times.csv",
    "trainings": "trainings.csv",
    "versions": "versions.csv",
    "configuration": "configuration.yaml",
    "page": "report/{page}.html",
    "trial": "meta_search/{task}/rung_{rung}/place_{place}.csv",
    "trial_state": "meta_search/{task}/rung_{rung}/place_{place}.npz",
    "ranking": "meta_search/{task}/rung_{rung}/ranking.csv",
    "search_table": "meta_search/{task}/table.csv",
    "variant_theta": "census/{task}/{variant}/seed_{seed}/theta.npz",
    "variant_curve": "census/{task}/{variant}/seed_{seed}/curve.csv",
    "variant_run": "census/{task}/{variant}/seed_{seed}/run.json",
    "collection": "census/{task}/optimizers.zip",
    "hand_made": "census/{task}/hand_made.npz",
    "hand_made_dynamics": "census/{task}/hand_made_dynamics.npz",
    "measured": "census/{task}/{variant}/measured.csv",
    "dynamics": "census/{task}/{variant}/dynamics.npz",
    "similarity": "census/{task}/similarity.npz",
    "searches": "census/{task}/searches/{optimizer}.csv",
    "census": "census.csv",
    "census_measured": "census_measured.csv",
    "census_ranks": "census_ranks.csv",
    "census_failures": "census_failures.csv",
    "census_draws": "census_draws.csv",
    "census_page": "census.md",
}
"""Every kind of result that other stages read, and its path below results/<scale>."""

_NUMBERS = ("seed", "rung", "place", "part")


def pattern(kind: str) -> str:
    """Return the path of a kind of result with wildcards, as a rule states it.

    >>> pattern("responses")
    'results/{scale}/analysis/{task}/seed_{seed}/responses.npz'
    """
    return f"results/{{scale}}/{PLACES[kind]}"


@cache
def _expressions() -> Mapping[str, re.Pattern[str]]:
    """Per kind, what the end of a path looks like."""
    compiled = {}
    for kind, place in PLACES.items():
        text = re.escape(place).replace(r"\{", "{").replace(r"\}", "}")
        for name in re.findall(r"{(\w+)}", text):
            value = r"\d+" if name in _NUMBERS else r"\w+"
            text = text.replace(f"{{{name}}}", f"(?P<{name}>{value})")
        compiled[kind] = re.compile(f"(?:^|/){text}$")
    return compiled


def recognize(path: str | Path) -> tuple[str, dict[str, Any]] | None:
    """Return which kind of result ``path`` is and what fills its wildcards; None if it is none.

    >>> recognize("elsewhere/results/laptop/meta_training/rosenbrock/seed_1/theta.npz")
    ('theta', {'task': 'rosenbrock', 'seed': 1})
    """
    for kind, expression in _expressions().items():
        if found := expression.search(Path(path).as_posix()):
            keys = found.groupdict()
            return kind, {k: int(v) if k in _NUMBERS else v for k, v in keys.items()}
    return None


def identify(path: str | Path) -> dict[str, Any]:
    """Return what a result's path says that it is: what fills its wildcards.

    >>> identify("results/laptop/baselines/rosenbrock/adam/best.json")
    {'task': 'rosenbrock', 'optimizer': 'adam'}

    Raises:
        StoreError: if it is not the path of a result.
    """
    if place := recognize(path):
        return place[1]
    alike = [place for place in PLACES.values() if Path(place).name == Path(path).name]
    expected = " or ".join(alike) or "the path of a result"
    raise StoreError(f"{path}: expected a path that ends in {expected}")


class Files:
    """The files of one scale, found by kind and by what fills the wildcards."""

    def __init__(self, folder: str | Path | None, listed: Iterable[str | Path] = ()) -> None:
        self._folder = None if folder is None else Path(folder)
        self._listed: dict[tuple, Path] = {}
        for path in listed:
            if place := recognize(path):
                kind, keys = place
                self._listed[kind, *sorted(keys.items())] = Path(path)

    @classmethod
    def under(cls, folder: str | Path) -> "Files":
        """All files under ``folder``, which is results/<scale>."""
        return cls(folder)

    @classmethod
    def listed(cls, paths: Iterable[str | Path]) -> "Files":
        """Only these; what is no result of a scale is passed over."""
        return cls(None, paths)

    def path(self, kind: str, **keys: Any) -> Path:
        """Return the path of one file.

        Raises:
            StoreError: if only listed files can be read and this is none of them.
        """
        if self._folder is not None:
            return self._folder / PLACES[kind].format(**keys)
        try:
            return self._listed[kind, *sorted(keys.items())]
        except KeyError:
            wanted = PLACES[kind].format(**keys)
            raise StoreError(f"{wanted}: not among the files that were given") from None
