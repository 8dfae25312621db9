"""Searches resampled from a pool: how often the pool's best is found is known."""

import logging

import numpy as np
import pytest

from lopt.claims.search_spreads import spreads
from lopt.optimizers.momentum import Momentum
from lopt.records import store
from lopt.records.published import published_values
from lopt.records.search_spreads import COLUMNS, PATH, search_spreads
from lopt.tasks.linear_regression import LinearRegression
from lopt.tuning import SearchRange, resampling, sample_trials, search
from lopt.tuning.resampling import contenders, resample, winners

RANGES = {
    "learning_rate": SearchRange(1e-2, 10.0, "log"),
    "momentum": SearchRange(0.0, 0.99, "log_one_minus"),
}


def test_a_search_finds_the_best_of_the_pool_as_often_as_it_draws_it():
    """A search of n of N trials has the pool's best among them with the probability n / N."""
    scores = np.random.default_rng(0).permutation(1000).astype(float)
    ranked = contenders(scores, 250, 4000, 3)
    assert np.mean(ranked[:, 0] == scores.argmin()) == pytest.approx(0.25, abs=0.025)
    assert np.all(np.diff(scores[ranked], axis=1) > 0.0)
    # The best of n has on average the rank (N + 1) / (n + 1), counted from 1.
    assert np.mean(scores[ranked[:, 0]] + 1.0) == pytest.approx(1001 / 251, rel=0.1)


def test_a_contender_that_fails_on_fresh_problems_does_not_win():
    ranked = np.array([[4, 2, 0], [2, 4, 1]])
    holds = np.array([True, True, False, True, False])
    assert winners(ranked, holds).tolist() == [0, 1]


def test_a_search_that_diverges_throughout_is_told():
    with pytest.raises(ValueError, match="no trial that converges"):
        contenders(np.array([np.inf, np.inf, 1.0]), 1, 20, 1)
    with pytest.raises(ValueError, match="samples is 4"):
        contenders(np.ones(3), 4, 1, 1)


def resampled(**changes):
    arguments = {
        "pool": 30,
        "samples": 30,
        "searches": 3,
        "problems": 8,
        "fresh_problems": 8,
        "evaluation_problems": 4,
        "steps": 10,
        "logger": logging.getLogger("test"),
    }
    task = LinearRegression(3, -2.0, 0.0)
    return resample(task, Momentum(), RANGES, **(arguments | changes))


def test_a_search_of_the_whole_pool_is_the_studys_search():
    table = resampled()
    assert table["trial"].nunique() == 1 and len(table) == 3
    assert {"loss_0", "loss_10", "learning_rate", "momentum"} <= set(table)
    assert table["loss_10"].iloc[0] < table["loss_0"].iloc[0]
    # The pool's trials are the stream of seed 1, its problems those of the study's searches.
    theirs = search(
        LinearRegression(3, -2.0, 0.0),
        Momentum(),
        RANGES,
        samples=30,
        problems=8,
        fresh_problems=8,
        steps=10,
        seed=1,
    )
    assert np.any(np.isclose(theirs.table.theta.learning_rate, table["learning_rate"].iloc[0]))


def test_the_winner_diverges_neither_where_it_was_chosen_nor_on_fresh_problems(monkeypatch):
    """The first scores best and diverges on one problem, the second diverges on a fresh one."""
    scores = {
        "problems": np.array([[0.0, 1.2], [0.7, 0.7], [0.8, 0.8], [0.9, 0.9]]),
        "fresh": np.array([[0.5], [1.5], [0.5], [0.5]]),
    }
    rates = sample_trials(Momentum(), RANGES, 4, seed=1).learning_rate

    def runs(task, family, thetas, problems, steps):
        return scores[problems][[list(rates).index(rate) for rate in thetas.learning_rate]]

    monkeypatch.setattr(resampling, "draw_problems", lambda task, count, seed, name: name)
    monkeypatch.setattr(resampling, "run_trials", runs)
    assert set(resampled(pool=4, samples=4, divergence_factor=1.0)["trial"]) == {2}


def test_spreads_are_those_of_the_winners(tmp_path):
    table = resampled(pool=40, samples=5, searches=20, steps=60)
    path = tmp_path / "census/linear_regression/searches/momentum.csv"
    store.save_table(path, table)
    found = spreads(tmp_path, published_values()).set_index(["quantity", "at"])["spread"]
    logs = np.log10(table["loss_40"])
    assert found["momentum_loss", 40.0] == pytest.approx(
        2.093024 * 2**0.5 * logs.std(ddof=1),  # Student's t, 19 degrees
        rel=1e-5,
    )
    assert ("momentum_loss", 100.0) not in found.index  # the runs were shorter


def test_the_spreads_that_come_with_the_package_are_of_published_numbers():
    known = {
        (v.task, v.quantity, -1.0 if np.isnan(v.at) else v.at, v.comparison)
        for v in published_values()
        if v.published
    }
    assert set(search_spreads()) <= known
    assert list(store.load_table(PATH, COLUMNS).columns) == list(COLUMNS)
