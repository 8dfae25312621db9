"""Random search over a family's hyperparameters: where to search, how trials run, who wins."""

from lopt.tuning.random_search import (
    CONTENDERS,
    Rung,
    SearchResult,
    TrialTable,
    Winner,
    draw_problems,
    gradient_count,
    search,
    trial_columns,
)
from lopt.tuning.ranges import SearchRange, sample_trials
from lopt.tuning.trials import run_trials

__all__ = [
    "CONTENDERS",
    "Rung",
    "SearchRange",
    "SearchResult",
    "TrialTable",
    "Winner",
    "draw_problems",
    "gradient_count",
    "run_trials",
    "sample_trials",
    "search",
    "trial_columns",
]
