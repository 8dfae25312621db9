"""Figure 1: the tasks, and the losses of learned and tuned optimizers on the same problems."""

from functools import partial

import numpy as np
from jaxtyping import Float

from lopt.claims.evidence import TaskResults, problem_losses
from lopt.claims.registry import (
    AT_MOST,
    BASELINE_NAMES,
    BELOW,
    Measurement,
    criterion,
    quantity,
)
from lopt.claims.sampling import robust_mean
from lopt.claims.shapes import standard_score
from lopt.records.evaluation import LEARNED
from lopt.records.portraits import ConditionNumbers

__all__ = ["meta_objectives"]


def _mean(values: Float[np.ndarray, " problems"]) -> Measurement:
    with np.errstate(invalid="ignore"):
        center, error = robust_mean(values)
        return Measurement(float(np.mean(values)), error, center)


def _mean_losses(
    results: TaskResults, optimizer: str, seed: int
) -> Float[np.ndarray, " steps_plus_1"]:
    return problem_losses(results, optimizer, seed).mean(axis=0)


def meta_objectives(
    results: TaskResults, optimizer: str, seed: int
) -> Float[np.ndarray, " problems"]:
    """Return mean_k f(x_k) / f(x_0), problem by problem."""
    losses = problem_losses(results, optimizer, seed)
    return losses.mean(axis=1) / losses[:, 0]


def _loss(optimizer: str, results: TaskResults, seed: int, at: float) -> Measurement:
    losses = problem_losses(results, optimizer, seed)
    return _mean(losses[:, int(at)]) if at < losses.shape[1] else Measurement(np.nan)


def _iteration_below(optimizer: str, results: TaskResults, seed: int, at: float) -> float:
    below = np.flatnonzero(_mean_losses(results, optimizer, seed) <= at)
    return below[0] if below.size else np.nan


def _overtakes_learned(optimizer: str, results: TaskResults, seed: int, at: float) -> float:
    """First iteration from which the tuned optimizer's mean loss stays below the learned one's."""
    behind = ~(_mean_losses(results, optimizer, seed) < _mean_losses(results, LEARNED, seed))
    return np.nan if behind[-1] else np.flatnonzero(behind)[-1] + 1


def _tuned_learning_rate(optimizer: str, results: TaskResults, seed: int, at: float) -> float:
    return results.learning_rates[optimizer]


quantity(f"{LEARNED}_loss", "mean loss of the learned optimizer at iteration {at:g}")(
    partial(_loss, LEARNED)
)
for _optimizer, _name in BASELINE_NAMES.items():
    for _quantity, _text, _needs, _function in (
        ("{}_loss", f"mean loss of {_name} at iteration {{at:g}}", (), _loss),
        (
            "{}_loss_reaches",
            f"first iteration of {_name} with a mean loss of {{at:g}} or less",
            (),
            _iteration_below,
        ),
        (
            "{}_overtakes_learned",
            f"iteration from which {_name} has the lower mean loss",
            (LEARNED,),
            _overtakes_learned,
        ),
        ("tuned_{}_learning_rate", f"learning rate of tuned {_name}", (), _tuned_learning_rate),
    ):
        quantity(_quantity.format(_optimizer), _text, (*_needs, _optimizer))(
            partial(_function, _optimizer)
        )


@quantity("start_loss", "mean loss at the start", ())
def _start_loss(results: TaskResults, seed: int, at: float) -> Measurement:
    # Every run starts at the same points: the learned one stands for all.
    return _loss(LEARNED, results, seed, 0)


@quantity("learned_meta_objective", "mean meta-objective of the learned optimizer")
def _meta_objective(results: TaskResults, seed: int, at: float) -> Measurement:
    return _mean(meta_objectives(results, LEARNED, seed))


def _log10_condition_numbers(results: TaskResults) -> Float[np.ndarray, " problem"]:
    if isinstance(results.portrait, ConditionNumbers):
        return results.portrait.log10_condition_numbers
    return np.array([np.nan])


@quantity("largest_condition_number", "largest condition number of the problems", ())
def _largest_condition_number(results: TaskResults, seed: int, at: float) -> float:
    return 10.0 ** _log10_condition_numbers(results).max()


@quantity("median_condition_number", "median condition number of the problems", ())
def _median_condition_number(results: TaskResults, seed: int, at: float) -> float:
    return 10.0 ** np.median(_log10_condition_numbers(results))


def _beats(baseline: str, results: TaskResults, seed: int) -> float:
    """Compare the meta-objectives problem by problem."""
    ours, theirs = (meta_objectives(results, name, seed) for name in (LEARNED, baseline))
    with np.errstate(invalid="ignore"):
        return standard_score(ours - theirs)


def _ends_below(baseline: str, results: TaskResults, seed: int) -> float:
    ours, theirs = (_mean_losses(results, name, seed)[-1] for name in (LEARNED, baseline))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(ours / theirs)


for _baseline, _name in BASELINE_NAMES.items():
    criterion(
        f"beats_{_baseline}",
        f"the learned optimizer beats tuned {_name} on the meta-objective",
        "the mean paired difference in standard errors over problems",
        AT_MOST,
        -2.0,
        needs=(LEARNED, _baseline),
    )(partial(_beats, _baseline))
    criterion(
        f"ends_below_{_baseline}",
        f"the learned optimizer ends below tuned {_name}",
        "the ratio of the mean final losses",
        BELOW,
        1.0,
        needs=(LEARNED, _baseline),
    )(partial(_ends_below, _baseline))
