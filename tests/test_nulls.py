"""Optimizers of known mechanism through the analysis, and what the paper's statements say of them."""

import jax
import numpy as np
import pytest

from lopt.analysis import stages
from lopt.analysis.nulls import analyze_null, reduced_count
from lopt.claims.evidence import Null, OptimizerResults, TaskResults
from lopt.claims.measure import CRITERIA
from lopt.claims.power import null_answers, null_names
from lopt.keys import stream
from lopt.learned.gru import GRU
from lopt.optimizers import make_baseline
from lopt.records import store
from lopt.records.analysis import FixedPointAnalysis, Linearization, Responses, Trajectories
from lopt.records.evaluation import Evaluation
from lopt.tasks.linear_regression import LinearRegression

pytestmark = pytest.mark.usefixtures("x64")
TASK, STEPS = LinearRegression(dimension=3, log10_smallest_eigenvalue=-1.0), 200
ARM = np.logspace(-1.0, 1.0, 4)
KINDS = (Trajectories, FixedPointAnalysis, Linearization, Responses)


def analyze(family, theta):
    return analyze_null(
        TASK,
        family,
        theta,
        steps=STEPS,
        problems=32,
        batch_size=None,
        sample_states=200,
        starts=64,
        constant_gradients=np.concatenate([-ARM[::-1], ARM]),
        gradient_edges=np.linspace(-5.0, 5.0, 11),
        update_gradients=np.linspace(-5.0, 5.0, 41),
    )


@pytest.fixture(scope="module")
def found():
    with jax.enable_x64(True):
        family = GRU(6)
        tuned = {
            "momentum": {"learning_rate": 0.5, "momentum": 0.8},
            "rmsprop": {"learning_rate": 0.1, "decay": 0.9, "epsilon": 1e-2},
        }
        made = {name: make_baseline(name, values, np.float64) for name, values in tuned.items()}
        made["untrained"] = family, family.init(stream(0, "theta"))
        return {name: analyze(*optimizer) for name, optimizer in made.items()}


def answers(found) -> dict[str, dict[str, str]]:
    """Every statement's answers, each null standing in for a learned optimizer."""
    optimizers = {
        name: Null(OptimizerResults(**analysis.stages), np.ones((4, STEPS + 1)))
        for name, analysis in found.items()
    }
    results = TaskResults(
        evaluation=Evaluation(np.array(["learned"]), np.array([0]), np.ones((1, 4, STEPS + 1))),
        learning_rates={},
        optimizers={0: optimizers["momentum"].optimizer},
        selected=0,
        nulls=optimizers,
    )
    asked = [name for name, criterion in CRITERIA.items() if criterion.needs == ("learned",)]
    assert null_names([results]) == list(found)
    return {name: null_answers(CRITERIA[name], results) for name in asked}


def test_every_stage_can_be_stored(found, tmp_path):
    for analysis in found.values():
        assert not analysis.missing
        for (stage, record), kind in zip(analysis.stages.items(), KINDS, strict=True):
            store.save(tmp_path / f"{stage}.npz", record)
            store.load(tmp_path / f"{stage}.npz", kind)
        assert analysis.stages["trajectories"].problems == 4
        assert len(analysis.stages["fixed_points"].codes) == 8


def test_momentum_and_rmsprop_say_what_they_are(found):
    """dx = -alpha (beta v + g) and -alpha g / sqrt(s' + epsilon), read off by the statements."""
    told = answers(found)
    expected = {  # of momentum, of RMSProp
        "one_convergence_point": ("yes", "yes"),
        "all_eigenvalues_inside_circle": ("yes", "yes"),
        "slow_mode_carries_largest_learning_rate": ("yes", "no"),
        "slow_mode_shifts_update_function": ("yes", "no"),
        "initial_update_saturates": ("no", "yes"),
        "has_schedule": ("no", "no"),
        "schedule_decays_linearly": ("no", "no"),
        "fixed_points_trace_s_curve": ("no", "no"),
        "learning_rate_falls_along_both_arms": ("no", "yes"),
        "arms_are_asymmetric": ("no", "no"),
        "constant_gradients_change_slope": ("no", "yes"),
    }
    for name, (momentum, rmsprop) in expected.items():
        assert (told[name]["momentum"], told[name]["rmsprop"]) == (momentum, rmsprop), name


def test_an_untrained_optimizer_has_nothing_to_show(found):
    """It does not move, so no statement about its update can be answered with yes."""
    told = answers(found)
    about_states = {"one_convergence_point", "all_eigenvalues_inside_circle"}
    about_states |= {"fixed_points_trace_s_curve", "autonomous_path_ends_at_convergence_point"}
    about_states |= {"state_variance_peaks_early", "state_variance_decays"}
    for name in told.keys() - about_states:
        assert told[name]["untrained"] in ("no", "unknown"), name
    assert told["one_convergence_point"]["untrained"] == "yes"


def test_what_a_null_does_not_have_is_told(found, monkeypatch):
    def fails(*arguments, **settings):
        raise ValueError("there are no modes")

    monkeypatch.setattr(stages, "linearize", fails)
    family, theta = make_baseline("momentum", {"learning_rate": 0.5, "momentum": 0.8}, np.float64)
    analysis = analyze(family, theta)
    assert list(analysis.stages) == ["trajectories", "fixed_points"]
    reasons = {"linearization": "there are no modes", "responses": "rests on linearization"}
    assert analysis.missing == reasons


def test_reduced_counts():
    assert [reduced_count(n) for n in (1, 2, 8, 64, 128)] == [1, 2, 2, 8, 16]
    assert [reduced_count(n, least=8) for n in (4, 8, 200)] == [4, 8, 25]
