"""The table of known answers: complete, all passed, and able to fail."""

import numpy as np
import pytest

from lopt.analysis import validation
from lopt.analysis.validation_rows import row
from lopt.records import store
from lopt.records.analysis import ValidationRow


@pytest.mark.workflow
def test_every_row_passes(finished):
    table = store.load_table(finished / "results/smoke/validation.csv", ValidationRow._fields)
    assert (table.verdict == "pass").all(), table[table.verdict != "pass"].to_string()
    assert (table.error <= table.tolerance).all()
    assert not table.duplicated(["optimizer", "quantity"]).any()
    for optimizer in (
        "momentum",
        "aggregated momentum (real modes)",
        "aggregated momentum (complex modes)",
        "rmsprop",
        "adam",
        "clipped sgd",
        "scheduled sgd",
        "planted gru",
        "adam over decades",
        "rmsprop over decades",
        "adabelief over decades",
        "yogi over decades",
        "two close attractors",
        "fold",
        "line attractor",
        "jordan block",
        "slow point",
        "momentum without ...",
        "aggregated momentum without ...",
        "closed loop of the heavy ball 0.569, 0.85",
    ):
        assert (table.optimizer == optimizer).sum() >= 5, optimizer
    for optimizer in ("sign descent", "cycle of two", "cycle that never closes"):
        assert (table.optimizer == optimizer).sum() >= 4, optimizer


@pytest.mark.parametrize(
    ("truth", "found", "verdict"),
    [
        (1.0, 1.0 + 1e-9, "pass"),
        (1.0, 1.0 + 1e-7, "fail"),
        (1e6, 1e6 + 1e-3, "pass"),
        (1e-9, 0.0, "pass"),
        (1.0, np.nan, "fail"),
        (np.inf, np.inf, "fail"),
    ],
)
def test_verdicts(truth, found, verdict):
    assert row("optimizer", "quantity", truth, found, 1e-8).verdict == verdict


def test_an_analysis_that_is_off_fails(x64, monkeypatch):
    rows = {row.quantity: row for row in validation._momentum()}
    assert {row.verdict for row in rows.values()} == {"pass"}
    linearize = validation.linearize

    def off(*arguments):
        modes = linearize(*arguments)
        return modes._replace(momenta=modes.momenta + 1e-9, learning_rates=-modes.learning_rates)

    monkeypatch.setattr(validation, "linearize", off)
    rows = {row.quantity: row for row in validation._momentum()}
    assert rows["momentum"].verdict == rows["learning rate"].verdict == "fail"
    assert rows["speed at fixed point"].verdict == "pass"


def test_it_needs_float64():
    with pytest.raises(ValueError, match="float64"):
        validation.validate()
