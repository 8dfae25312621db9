"""The evaluation's summary and curves against sums written out."""

import math

import numpy as np
import pytest

from lopt.evaluation import DIVERGENCE_FACTOR, diverged_runs, loss_curves, summarize
from lopt.records.evaluation import Evaluation, EvaluationRuns, gathered


def evaluation(losses, dtype=np.float32) -> Evaluation:
    losses = np.asarray(losses, dtype)
    names = np.array(["learned", "momentum", "adam"][: len(losses)])
    return Evaluation(names, np.array([7, -1, -1][: len(losses)]), losses)


def mean_and_error(values: list[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean, 0.0
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


@pytest.mark.parametrize("problems", [1, 5])
def test_the_summary_is_what_its_docstring_says(problems):
    losses = np.random.default_rng(0).lognormal(size=(3, problems, 11)).astype(np.float32)
    table = summarize("rosenbrock", evaluation(losses))
    assert list(table) == [
        "task",
        "optimizer",
        "seed",
        "problems",
        "diverged",
        "meta_objective",
        "meta_objective_se",
        "final_loss",
        "final_loss_se",
    ]
    assert list(table["optimizer"]) == ["learned", "momentum", "adam"]
    assert list(table["seed"]) == [7, -1, -1]
    assert set(table["task"]) == {"rosenbrock"} and set(table["problems"]) == {problems}
    for row, runs in zip(table.to_dict("records"), losses.astype(float), strict=True):
        objectives = [sum(run) / len(run) / run[0] for run in runs.tolist()]
        found = row["meta_objective"], row["meta_objective_se"]
        np.testing.assert_allclose(found, mean_and_error(objectives), rtol=1e-12)
        found = row["final_loss"], row["final_loss_se"]
        np.testing.assert_allclose(found, mean_and_error(runs[:, -1].tolist()), rtol=1e-12)
    assert list(table["diverged"]) == [0, 0, 0]


def test_measures_on_held_out_data_follow_the_losses():
    random = np.random.default_rng(0)
    losses, accuracy = random.lognormal(size=(2, 3, 4)), random.uniform(size=(2, 3))
    table = summarize("digits", evaluation(losses), {"accuracy": accuracy.astype(np.float32)})
    assert list(table)[-2:] == ["held_out_accuracy", "held_out_accuracy_se"]
    for row, values in zip(table.to_dict("records"), accuracy.tolist(), strict=True):
        found = row["held_out_accuracy"], row["held_out_accuracy_se"]
        np.testing.assert_allclose(found, mean_and_error(values), rtol=1e-6)


def test_diverged_runs_are_counted_and_stay_in_the_means():
    """Not finite anywhere, or beyond the factor; exactly at the factor is not beyond it."""
    calm = np.ones((4, 6))
    wild = calm.copy()
    wild[0, 3] = np.nan  # and finite again
    wild[1, 2] = 2.0 * DIVERGENCE_FACTOR
    wild[2, 5] = DIVERGENCE_FACTOR
    endless = calm.copy()
    endless[3, 1:] = np.inf
    table = summarize("rosenbrock", evaluation([calm, wild, endless]))
    assert list(table["diverged"]) == [0, 2, 1]
    assert table["meta_objective"][0] == 1.0 and math.isnan(table["meta_objective"][1])
    assert table["meta_objective"][2] == math.inf and table["final_loss"][2] == math.inf
    # Where the factor leads beyond the largest float32, what is infinite is not below it.
    assert diverged_runs(np.array([[1e36, 1.0], [1e36, np.inf]], np.float32)).tolist() == [
        False,
        True,
    ]


def test_parts_are_gathered_in_the_order_of_the_problems():
    """A number says what it is of: 100 for the run, 10 for the problem, 1 for the iteration."""
    losses = 100.0 * np.arange(2)[:, None, None] + 10.0 * np.arange(3)[:, None] + np.arange(4)
    accuracy = losses[..., -1] / 1000.0

    def part(*problems, optimizers=("learned", "adam")):
        chosen = list(problems)
        return EvaluationRuns(
            np.array(optimizers),
            np.array([7, -1]),
            losses[:, chosen],
            np.array(chosen),
            np.array(["accuracy"]),
            accuracy[None][:, :, chosen],
        )

    found, measures = gathered([part(2, 0), part(1)])
    assert found.optimizers.tolist() == ["learned", "adam"] and found.seeds.tolist() == [7, -1]
    np.testing.assert_array_equal(found.losses, losses)
    assert list(measures) == ["accuracy"]
    np.testing.assert_array_equal(measures["accuracy"], accuracy)
    for parts, message in (
        ([part(0, 1), part(2, optimizers=("adam", "learned"))], "of different optimizers"),
        ([part(0), part(2)], r"have the problems \[0, 2\]"),
        ([part(0, 1), part(1, 2)], r"have the problems \[0, 1, 1, 2\]"),
    ):
        with pytest.raises(ValueError, match=message):
            gathered(parts)


def test_means_do_not_overflow_float32():
    table = summarize("rosenbrock", evaluation(np.full((1, 2, 4), 3e38)))
    np.testing.assert_allclose(table["final_loss"], 3e38, rtol=1e-6)
    np.testing.assert_allclose(table["meta_objective"], 1.0, rtol=1e-12)


@pytest.mark.parametrize("problems", [1, 4])
def test_loss_curves_are_means_and_errors_over_problems(problems):
    losses = np.random.default_rng(1).lognormal(size=(2, problems, 3)).astype(np.float32)
    curves = loss_curves(evaluation(losses))
    for run in range(2):
        for step in range(3):
            mean, error = mean_and_error(losses[run, :, step].astype(float).tolist())
            np.testing.assert_allclose(curves.means[run, step], mean, rtol=1e-12)
            np.testing.assert_allclose(
                curves.standard_errors[run, step], error, rtol=1e-9, atol=1e-15
            )
