"""The table of claims takes a measured spread in place of an allowance chosen by hand, where there is one."""

import math

import numpy as np
import pytest
import synthetic_results as synthetic
from studies import REFERENCE

from lopt.claims import compare as comparing
from lopt.claims import draws
from lopt.claims.compare import compare
from lopt.claims.evidence import gather
from lopt.claims.measure import QUANTITIES
from lopt.records.published import Published
from lopt.records.results import Results

TASK = "rosenbrock"  # of the synthetic results, with three seeds


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "synthetic"
    synthetic.write(folder)
    seeds = {TASK: synthetic.SEEDS[TASK]}
    return {TASK: gather(Results(folder, seeds), TASK)}


def a_value(quantity="learned_loss", at=100.0, published="1.0"):
    return Published(
        *("1", TASK, quantity, at, quantity, "=", published, "", "decades", 0.01, 0.3, "", "", "")
    )


def row_of(results, value):
    settings = {TASK: REFERENCE["tasks"][TASK]}
    [row] = compare([value], results, settings, settings).to_dict("records")
    return row


def test_three_seeds_are_a_measured_spread(results):
    seeds = synthetic.SEEDS[TASK]
    ours = [QUANTITIES["learned_loss"].measure(results[TASK], s, 100.0).value for s in seeds]
    row = row_of(results, a_value(published=repr(ours[0])))
    assert len(ours) == 3
    expected = 4.302653 * math.sqrt(2.0) * np.log10(ours).std(ddof=1)  # Student's t, two degrees
    assert row["allowance_from"] == "seeds"
    assert float(row["allowance"]) == pytest.approx(expected, rel=1e-4) and expected > 0.0
    generous = row_of(results, a_value(published=repr(ours[0]))._replace(allowance=9.0))
    assert generous["allowance"] == row["allowance"]  # in its place, whichever is larger
    low, high = draws.interval(ours, "decades")
    assert float(row["draw_low"]) == pytest.approx(low, rel=1e-4)
    assert float(row["draw_high"]) == pytest.approx(high, rel=1e-4)
    assert row["draw_place"] == "within" and row["verdict"] == "agrees"
    assert row_of(results, a_value(published=repr(10.0 * high)))["draw_place"] == "above"


def test_two_seeds_leave_the_allowance_that_was_set_by_hand(results):
    task = results[TASK]
    two = {TASK: task._replace(optimizers={s: task.optimizers[s] for s in (0, 1)})}
    row = row_of(two, a_value())
    assert (row["allowance_from"], row["allowance"], row["draw_place"]) == ("by hand", "0.3", "")


def test_a_tuned_optimizer_has_the_spread_of_searches(results, monkeypatch):
    value = a_value("momentum_loss")
    monkeypatch.setattr(comparing, "search_spreads", dict)
    assert row_of(results, value)["allowance_from"] == "by hand"
    known = {(TASK, "momentum_loss", 100.0, "decades"): 0.07}
    monkeypatch.setattr(comparing, "search_spreads", lambda: known)
    row = row_of(results, value)
    assert (row["allowance_from"], row["allowance"]) == ("searches", "0.07")
    assert row_of(results, a_value("adam_loss"))["allowance_from"] == "by hand"
