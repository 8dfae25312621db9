"""The search over recipes: draws, rungs, ranking, and the workflow that runs it."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from workflow_project import ROOT, environment

from lopt.config import MetaTrainingSettings
from lopt.learned.gru import GRU
from lopt.meta_training.loop import CurvePoint, Training
from lopt.meta_training.search import (
    apply_recipe,
    configured_recipe,
    draw_recipe,
    rank,
    score,
    survivors,
)
from lopt.tasks.rosenbrock import Rosenbrock
from lopt.tuning import SearchRange

SETTINGS = MetaTrainingSettings(
    meta_steps=12,
    problems=2,
    learning_rate=3e-3,
    decay_factor=0.5,
    decay_steps=10,
    b1=0.8,
    b2=0.6,
    epsilon=1e-6,
    clip=0.05,
    theta_penalty=1e-6,
    chunk=2,
    validation_problems=4,
    validation_interval=2,
    checkpoint_seconds=30.0,
    skipped_in_a_row=2,
    memory_budget_gb=1.0,
    precision="highest",
)
TRAINING = Training(Rosenbrock(), GRU(4, input_scale=0.01, output_scale=0.1), SETTINGS, steps=5)
CONFIGURED = configured_recipe(TRAINING)
RANGES = {
    "learning_rate": SearchRange(1e-4, 1e-2, "log"),
    "decay_steps": SearchRange(10, 1000, "log"),
    "b1": SearchRange(0.0, 0.99, "log_one_minus"),
}


@dataclasses.dataclass(frozen=True)
class Scaleless:
    """What the search sees of a family that has one of the scales."""

    output_scale: float = 0.5


def draws(count, ranges=RANGES, task="rosenbrock", seed=0):
    return [draw_recipe(CONFIGURED, ranges, task, trial, seed) for trial in range(count)]


def test_trial_0_is_the_configured_recipe_and_the_others_differ_in_what_has_a_range():
    first, *others = draws(6)
    assert first == CONFIGURED
    assert len(set(others)) == 5
    for recipe in others:
        kept = {name: getattr(CONFIGURED, name) for name in RANGES}
        assert dataclasses.replace(recipe, **kept) == CONFIGURED
        assert isinstance(recipe.decay_steps, int)


def test_draws_follow_the_search_range():
    # Under a log-uniform prior the logarithms are uniform: compare all quartiles with the prior's.
    found = np.quantile([recipe.learning_rate for recipe in draws(161)[1:]], [0.25, 0.5, 0.75])
    expected = RANGES["learning_rate"].quantile(np.array([0.25, 0.5, 0.75]))
    assert np.all(np.abs(np.log10(found / expected)) < 0.2)  # its standard error is 0.08


def test_a_draw_depends_on_its_own_range_task_and_trial_alone():
    alone = draws(4, {"b1": RANGES["b1"]})
    assert [recipe.b1 for recipe in alone] == [recipe.b1 for recipe in draws(9)[:4]]
    assert draws(4)[1:] != draws(4, task="two_moons")[1:]
    assert draws(4)[1:] != draws(4, seed=1)[1:]


def test_a_range_of_something_else_is_refused():
    with pytest.raises(ValueError, match=r"\['units'\].*learning_rate"):
        draw_recipe(CONFIGURED, {"units": SearchRange(1, 2)}, "rosenbrock", 1, 0)


def test_applying_a_recipe_changes_the_recipe_and_the_length_alone():
    recipe = draws(2)[1]
    applied = apply_recipe(recipe, TRAINING, 7)
    assert configured_recipe(applied) == recipe != CONFIGURED
    assert applied.settings.meta_steps == 7
    assert apply_recipe(CONFIGURED, applied, SETTINGS.meta_steps) == TRAINING


def test_a_recipe_has_no_scale_that_its_family_lacks():
    """A family of a file of one's own need not have both."""
    training = dataclasses.replace(TRAINING, family=Scaleless())
    recipe = configured_recipe(training)
    assert (recipe.input_scale, recipe.output_scale) == (None, 0.5)
    assert apply_recipe(recipe, training, SETTINGS.meta_steps) == training
    with pytest.raises(ValueError, match=r"\['input_scale'\]"):
        draw_recipe(recipe, {"input_scale": SearchRange(1, 2)}, "rosenbrock", 1, 0)


@pytest.mark.parametrize(
    ("validated", "expected"),
    [
        ([math.nan, 0.2, math.nan, 0.4], 0.4),  # passing through a low value doesn't count
        ([0.4, math.nan, 0.2, math.nan], 0.2),
        ([0.2, math.inf], math.inf),
        ([math.nan], math.inf),
        ([], math.inf),
    ],
)
def test_the_score_is_the_last_validation(validated, expected):
    assert (
        score([CurvePoint(i, 0.1, value, 1.0, 0) for i, value in enumerate(validated)]) == expected
    )


def test_ranking_puts_low_scores_first_and_divergence_last():
    trials = pd.DataFrame({"trial": [0, 1, 2, 3], "score": [0.3, math.inf, 0.1, 0.3]})
    ranked = rank(trials)
    assert ranked["trial"].tolist() == [2, 0, 3, 1]
    assert ranked["rank"].tolist() == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="all 2 recipes diverged"):
        rank(pd.DataFrame({"trial": [0, 1], "score": [math.inf, math.inf]}))


@pytest.mark.parametrize(
    ("order", "count", "going"),
    [
        ([2, 0, 3, 1], 2, [2, 0]),
        ([2, 3, 1, 0], 2, [2, 0]),
        ([2, 3, 1, 0], 3, [2, 3, 0]),
        ([2, 3, 1, 0], 4, [2, 3, 1, 0]),
        ([2, 3, 1, 0], 1, [2]),
    ],
)
def test_the_best_go_on_and_the_configured_recipe_with_them(order, count, going):
    ranked = rank(pd.DataFrame({"trial": order, "score": [0.1, 0.2, 0.3, 0.4]}))
    assert survivors(ranked, count)["trial"].tolist() == going


@pytest.mark.workflow
def test_the_search_runs_as_a_workflow(tmp_path):
    over = {"scales": {"smoke": {"settings": {"rosenbrock": {"meta_search": {}}}}}}
    over["scales"]["smoke"]["settings"]["rosenbrock"]["meta_search"]["rungs"] = [
        {"trials": 2, "meta_steps": 10},
        {"trials": 1, "meta_steps": 20},
    ]
    (tmp_path / "over.yaml").write_text(yaml.safe_dump(over))
    table = "results/smoke/meta_search/rosenbrock/table.csv"
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--cores", "2"]
    command += ["--configfile", ROOT / "config.yaml", "over.yaml", "--", table]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / table)
    assert rows[["rung", "meta_steps", "rank"]].values.tolist() == [
        [1, 20, 1],
        [0, 10, 1],
        [0, 10, 2],
    ]
    # The winner of rung 0 went on: the best so far can't have become worse.
    assert rows["trial"][0] == rows["trial"][1]
    assert rows["best_score"][0] <= rows["best_score"][1]
    assert rows["score"][1] <= rows["score"][2]
