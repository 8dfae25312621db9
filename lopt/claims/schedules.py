"""Figure 4: the effective learning rate along the autonomous trajectory, and where that ends."""

import numpy as np

from lopt.claims.evidence import TaskResults
from lopt.claims.registry import AT_LEAST, AT_MOST, criterion, quantity
from lopt.claims.shapes import largest_over_smallest, straightness

__all__: list[str] = []


@quantity(
    "autonomous_learning_rate",
    "effective learning rate at iteration {at:g} of the autonomous trajectory",
)
def _autonomous_rate(results: TaskResults, seed: int, at: float) -> float:
    rates = results.optimizers[seed].responses.autonomous_learning_rates
    return rates[int(at)] if at < len(rates) else np.nan


@quantity(
    "autonomous_learning_rate_peak", "largest effective learning rate of the autonomous trajectory"
)
def _autonomous_peak(results: TaskResults, seed: int, at: float) -> float:
    return results.optimizers[seed].responses.autonomous_learning_rates.max()


@quantity("autonomous_peak_iteration", "iteration of the largest effective learning rate")
def _autonomous_peak_iteration(results: TaskResults, seed: int, at: float) -> float:
    return float(results.optimizers[seed].responses.autonomous_learning_rates.argmax())


@quantity(
    "autonomous_learning_rate_ratio",
    "largest over smallest effective learning rate of the autonomous trajectory",
)
def _autonomous_ratio(results: TaskResults, seed: int, at: float) -> float:
    return largest_over_smallest(results.optimizers[seed].responses.autonomous_learning_rates)


@criterion(
    "has_schedule",
    "the effective learning rate follows a schedule",
    "its largest over its smallest value along the autonomous trajectory",
    AT_LEAST,
    1.5,
)
def _schedule(results: TaskResults, seed: int) -> float:
    rates = results.optimizers[seed].responses.autonomous_learning_rates
    return largest_over_smallest(rates) if np.any(rates) else np.nan


@criterion(
    "schedule_decays_linearly",
    "after its peak the effective learning rate falls nearly along a straight line",
    "the share of its variation from the peak half-way to the end that a line explains "
    "(0 where it does not fall)",
    AT_LEAST,
    0.99,
)
def _straight_decay(results: TaskResults, seed: int) -> float:
    rates = results.optimizers[seed].responses.autonomous_learning_rates
    peak = int(rates.argmax())
    decay = rates[peak : (peak + len(rates) - 1) // 2 + 1]
    # A constant rate, up to rounding, has no decay to be straight.
    falls = decay[0] - decay[-1] > 1e-3 * np.abs(rates).max()
    return straightness(decay) if falls else 0.0


@criterion(
    "autonomous_path_ends_at_convergence_point",
    "the autonomous trajectory ends at the convergence point",
    "the distance left at its end over that at its start",
    AT_MOST,
    0.1,
)
def _distance_left(results: TaskResults, seed: int) -> float:
    optimizer = results.optimizers[seed]
    away = optimizer.trajectories.autonomous_states - optimizer.fixed_points.convergence_point
    distances = np.linalg.norm(away, axis=1)
    return float(distances[-1] / distances[0]) if distances[0] > 0.0 else np.nan
