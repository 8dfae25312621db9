"""A results folder made of closed forms, for the tests of everything that reads results.

Losses decay geometrically, the optimizer's map is linear with chosen eigenvalues, update functions
are hyperbolic tangents. Shapes and orders of magnitude are those of the three tasks; nothing is trained.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lopt.records import store
from lopt.records.analysis import (
    Code,
    FixedPointAnalysis,
    Linearization,
    ModeCode,
    Responses,
    Trajectories,
    ValidationRow,
)
from lopt.records.census import NOT_LEARNED, Similarity
from lopt.records.evaluation import Evaluation
from lopt.records.interventions import Stability
from lopt.records.portraits import (
    CommonOptimizers,
    ConditionNumbers,
    LabelledImages,
    LabelledPoints,
    Landscape,
    StartLosses,
)

STEPS, STATE, VISITED, AXES = 200, 24, 400, 6
BASELINES = ("momentum", "rmsprop", "adam")
# What comes with a task or baseline: its label, and a baseline's color.
LABELS = {
    "linear_regression": "Linear Regression",
    "rosenbrock": "Rosenbrock",
    "two_moons": "Neural network training",
    "momentum": "Momentum",
    "rmsprop": "RMSProp",
    "adam": "Adam",
}
COLORS = {"momentum": "#E06A00", "rmsprop": "#E3BC22", "adam": "#8F0F2B"}
OTHERS = {
    "momentum": {"momentum": 0.85},
    "rmsprop": {"decay": 0.9, "epsilon": 1e-8},
    "adam": {"b1": 0.9, "b2": 0.99, "epsilon": 1e-8},
}
"""Hyperparameters beside the learning rate."""


class Magnitudes(NamedTuple):
    """Orders of magnitude of one task."""

    gradients: float  # update functions are known up to this |g|
    constant: np.ndarray  # constant gradients of one arm
    update: float  # where updates saturate
    learning_rate: float
    start: float  # loss
    scheduled: bool


MAGNITUDES = {
    "linear_regression": Magnitudes(5.0, np.logspace(-1, 1, 8), 40.0, 6.0, 360.0, True),
    "rosenbrock": Magnitudes(1000.0, np.logspace(-3, 3, 13), 0.06, 1.6e-3, 450.0, False),
    "two_moons": Magnitudes(0.05, np.logspace(-4, -1, 13), 0.0215, 1.7, 0.9, False),
}
UNKNOWN = Magnitudes(20.0, np.logspace(-2, 2, 13), 0.5, 0.08, 2e4, False)  # of any other task
SEEDS = {"linear_regression": (0, 1), "rosenbrock": (0, 1, 2), "two_moons": (3,)}
EARLY = {"linear_regression": 5}
SELECTED = {"linear_regression": 1, "rosenbrock": 0, "two_moons": 3}


def update_function(magnitudes, gradients, offset=0.0, learning_rate=None):
    """offset - U tanh(alpha g / U): slope -alpha at 0, saturated at U."""
    rate = magnitudes.learning_rate if learning_rate is None else learning_rate
    return offset - magnitudes.update * np.tanh(rate * np.asarray(gradients) / magnitudes.update)


def evaluation(task: str, seeds=None, baselines=BASELINES) -> Evaluation:
    """Losses f_0 exp(-rate k) times a factor per problem."""
    rng = np.random.default_rng(0)
    runs = [("learned", seed) for seed in (SEEDS[task] if seeds is None else seeds)]
    runs += [(optimizer, -1) for optimizer in baselines]
    rates = {"momentum": 0.09, "rmsprop": 0.01, "adam": 0.03}
    start = MAGNITUDES.get(task, UNKNOWN).start * np.exp(0.5 * rng.normal(size=(128, 1)))
    k = np.arange(STEPS + 1)
    losses = [
        start * np.exp(-np.minimum(rates.get(name, 0.07 + 0.002 * seed) * k, 18.0))
        for name, seed in runs
    ]
    runs_of_early = [("learned", EARLY[task])] if task in EARLY else []
    losses += [start * np.exp(-0.06 * k) for _ in runs_of_early]
    names, seeds = zip(*runs, *runs_of_early, strict=True)
    return Evaluation(np.array(names), np.array(seeds), np.stack(losses).astype(np.float32))


def portrait(task: str):
    rng = np.random.default_rng(1)
    if task == "linear_regression":
        values = np.ptp(rng.uniform(-3.0, 0.0, size=(2000, 5)), axis=1)
        return ConditionNumbers(values, np.array(3.76), np.array(0.881))
    if task == "rosenbrock":
        x, y = np.linspace(-2, 2, 32), np.linspace(-1, 3, 32)
        loss = (1 - x) ** 2 + 100 * (y[:, None] - x**2) ** 2
        return Landscape(x, y, np.log10(loss), np.ones(2))
    if task == "digits":
        return LabelledImages(rng.uniform(size=(20, 8, 8)), np.repeat(np.arange(10), 2))
    if task != "two_moons":
        return StartLosses(rng.normal(2.0, 0.5, size=500))
    angles, labels = np.tile(np.linspace(0, np.pi, 50), 2), np.repeat([0, 1], 50)
    sign = np.where(labels, -1.0, 1.0)
    positions = np.stack([np.cos(angles) * sign, np.sin(angles) * sign], axis=1)
    positions += labels[:, None] * [1.0, 0.5]
    return LabelledPoints(positions + 0.1 * rng.normal(size=(100, 2)), labels)


def linearization(task: str, seed: int) -> Linearization:
    """A random basis with chosen eigenvalues: a slow one, a leading pair, the rest inside."""
    rng, magnitudes = np.random.default_rng(seed), MAGNITUDES.get(task, UNKNOWN)
    pair = 0.9 * np.exp(0.1j)
    inner = 0.8 * rng.uniform(size=STATE - 3) ** 0.5
    eigenvalues = np.concatenate([[0.96], [pair, pair.conj()], -np.sort(-inner)])
    rates = np.zeros(STATE, complex)
    rates[:3] = magnitudes.learning_rate * np.array([0.3, 0.35 - 0.2j, 0.35 + 0.2j])
    rates[3:] = 0.02 * magnitudes.learning_rate * rng.normal(size=STATE - 3)
    right = np.linalg.qr(rng.normal(size=(STATE, STATE)))[0].astype(complex)
    plane = right[:, 1:3].copy()
    right[:, 1] = (plane[:, 0] + 1j * plane[:, 1]) / 2**0.5
    right[:, 2] = right[:, 1].conj()
    left = np.linalg.inv(right)
    return Linearization(
        point=np.full(STATE, 0.1),
        gradient=np.array(0.0),
        update=np.array(0.0),
        jacobian=(right * eigenvalues @ left).real,
        input_vector=(right @ (rates / 1.0)).real,
        readout_vector=-left.sum(axis=0).real,
        eigenvalues=eigenvalues,
        right_vectors=right,
        left_vectors=left,
        momenta=np.abs(eigenvalues),
        complex_learning_rates=rates,
        learning_rates=rates.real,
        whole_learning_rates=rates.real * np.where(eigenvalues.imag == 0.0, 1.0, 2.0),
        whole_sizes=np.abs(rates) * np.where(eigenvalues.imag == 0.0, 1.0, 2.0),
        heads=(eigenvalues.imag >= 0.0).astype(int),
        clusters=np.arange(STATE),
        eigenvalue_errors=np.full(STATE, 1e-13),
        learning_rate_errors=np.full(STATE, 1e-12 * magnitudes.learning_rate),
        mode_code=np.array(int(ModeCode.RESOLVED)),
        timescales=-1.0 / np.log(np.abs(eigenvalues)),
        condition_number=np.array(np.linalg.cond(right)),
        reconstruction_error=np.array(1e-15),
        slow_mode=np.array(0),
        leading_mode=np.array(1),
        cancellation_ratio=np.array(np.abs(rates).sum() / abs(rates.sum())),
        typical_gradient=np.array(0.1 * magnitudes.gradients),
        typical_eigenvalues=0.99 * np.stack([eigenvalues, eigenvalues]),
        typical_complex_learning_rates=0.9 * np.stack([rates, rates]),
        typical_learning_rates=np.full(2, 0.9 * rates.sum().real),
    )


def trajectories(task: str, seed: int) -> Trajectories:
    rng, magnitudes = np.random.default_rng(10 + seed), MAGNITUDES.get(task, UNKNOWN)
    k = np.arange(STEPS + 1)
    edges = np.linspace(-1.5, 1.5, 101) * magnitudes.gradients
    scale = 0.08 * magnitudes.gradients
    counts = np.round(1e6 * np.exp(-np.abs((edges[1:] + edges[:-1]) / 2) / scale)).astype(int)
    magnitude_edges = np.linspace(-6, 4, 101)
    centers = (magnitude_edges[1:] + magnitude_edges[:-1]) / 2
    mean = magnitudes.start * np.exp(-np.minimum(0.07 * k, 18.0))
    states = rng.normal(size=(VISITED, STATE))
    levels = np.array([0.01, 0.1, 0.5, 0.9, 0.99])
    return Trajectories(
        mean_losses=mean,
        loss_standard_errors=0.05 * mean,
        total_variance=0.2 * k * np.exp(-k / 15.0),
        visited_states=states,
        visited_iterations=rng.integers(0, STEPS + 1, VISITED),
        late_states=0.01 * states[:64],
        gradient_edges=edges,
        gradient_counts=counts,
        gradients_outside=np.array([3, 4]),
        magnitude_edges=magnitude_edges,
        magnitude_counts=np.round(1e5 * np.exp(-((centers - np.log10(scale)) ** 2))).astype(int),
        gradient_quantile_levels=levels,
        gradient_quantiles=-scale * np.log(1.0 - levels),
        autonomous_states=np.exp(-k / 40.0)[:, None] * np.ones(STATE),
        problems=np.array(64),
        diverged=np.array(0),
    )


def fixed_points(task: str, seed: int) -> FixedPointAnalysis:
    magnitudes = MAGNITUDES.get(task, UNKNOWN)
    rng, arm = np.random.default_rng(20 + seed), magnitudes.constant
    count, grid, rate = 40, 2 * len(arm), magnitudes.learning_rate
    # Two attractors and the unstable point between them.
    attractors = np.array([0.1, 0.4, 0.25])[:, None] * np.ones(STATE)
    rates, drifts = rate * np.array([1.0, 0.5, 0.8]), np.array([1e-6, -2e-3, 1e-3])
    codes = np.where(np.arange(count) % 10 == 9, Code.SLOW_POINT, Code.CONVERGED)
    speeds = np.where(codes == Code.CONVERGED, 1e-30, 1e-6) * 10 ** rng.normal(size=count)
    return FixedPointAnalysis(
        convergence_point=np.full(STATE, 0.1),
        convergence_error=np.full(STATE, 1e-14),
        convergence_speed=np.array(1e-30),
        convergence_code=np.array(int(Code.CONVERGED)),
        convergence_update=np.array(1e-6),
        convergence_update_interval=np.array([0.99e-6, 1.01e-6]),
        convergence_spectral_radius=np.array(0.96),
        basin_share=np.array(1.0),
        basin_distance=np.array(1e-7),
        basin_steps=np.array(1000),
        attractor_points=attractors,
        attractor_errors=np.full((3, STATE), 1e-14),
        attractor_codes=np.full(3, int(Code.CONVERGED)),
        attractor_stable=np.array([1, 1, 0]),
        attractor_basin_shares=np.array([0.75, 0.25, 0.0]),
        attractor_basin_distances=np.array([1e-7, 1e-6, np.inf]),
        attractor_spectral_radii=np.array([0.96, 0.97, 1.02]),
        attractor_periods=np.ones(3, int),
        attractor_learning_rates=rates,
        attractor_learning_rate_intervals=rates[:, None] * [1.0 - 1e-9, 1.0 + 1e-9],
        attractor_updates=drifts,
        attractor_update_intervals=np.sort(drifts[:, None] * [1.0 - 1e-9, 1.0 + 1e-9], axis=1),
        points=np.full((count, STATE), 0.1),
        speeds=speeds,
        relative_errors=np.where(codes == Code.CONVERGED, 1e-13, np.inf),
        iterations=rng.integers(200, 320, count),
        codes=codes,
        groups=np.where(codes == Code.CONVERGED, 0, -1),
        distinct_points=np.full((1, STATE), 0.1),
        distinct_errors=np.full((1, STATE), 1e-14),
        distinct_codes=np.array([int(Code.CONVERGED)]),
        distinct_speeds=np.array([1e-31]),
        distinct_counts=np.array([int(np.sum(codes == Code.CONVERGED))]),
        constant_gradients=np.concatenate([-arm[::-1], arm]),
        constant_gradient_points=np.zeros((grid, STATE)),
        constant_gradient_errors=np.full((grid, STATE), 1e-14),
        constant_gradient_speeds=10.0 ** rng.uniform(-31, -29, 2 * len(arm)),
        constant_gradient_iterations=np.full(2 * len(arm), 310),
        constant_gradient_codes=np.zeros(grid, int),
        # The branch of h* ends in a fold before the largest gradient of the positive arm.
        constant_gradient_branches=np.append(np.zeros(grid - 1, int), 1),
        constant_gradient_spectral_radii=np.full(grid, 0.97),
        branch_end_codes=np.array([int(Code.CONVERGED), int(Code.FOLD)]),
        branch_end_gradients=np.array([-arm[-1], np.sqrt(arm[-2] * arm[-1])]),
    )


def responses(task: str, seed: int) -> Responses:
    rng, m = np.random.default_rng(30 + seed), MAGNITUDES.get(task, UNKNOWN)
    k = np.arange(STEPS + 1)
    grid = np.linspace(-m.gradients, m.gradients, 121)
    direction = np.zeros(STATE)
    direction[:3] = np.array([0.6, 0.0, 0.8])
    positions = np.linspace(-0.5, 0.5, 5)
    intercepts = 0.4 * m.update * positions
    constant = np.concatenate([-m.constant[::-1], m.constant])
    rates = m.learning_rate / (1.0 + np.abs(constant) / m.constant[len(m.constant) // 2]) ** 0.4
    levels = 0.5 * m.update * np.tanh(constant / m.constant[len(m.constant) // 2])
    schedule = 1.0 + m.scheduled * (k / 22.0 * np.exp(1 - k / 22.0) - k / 400.0)
    visited = rng.normal(size=(VISITED, AXES)) * (np.arange(AXES) + 1.0) ** -0.7
    s_curve = np.tanh(np.linspace(-2.0, 2.0, len(constant)))
    projected = np.zeros((len(constant), AXES))
    projected[:, 0], projected[:, 1] = 2.5 * s_curve, np.sin(1.5 * np.pi * s_curve)
    autonomous = np.zeros((STEPS + 1, AXES))
    autonomous[:, 0] = 3.0 * np.exp(-k / 30.0)
    autonomous[:, 1] = -2.0 * np.exp(-k / 60.0) * np.sin(k / 40.0)
    return Responses(
        update_gradients=grid,
        slow_mode_direction=direction,
        slow_mode_positions=positions,
        slow_mode_states=0.1 + positions[:, None] * direction,
        slow_mode_updates=np.stack([update_function(m, grid, c) for c in intercepts]),
        slow_mode_intercepts=intercepts,
        slow_mode_learning_rates=np.full(5, m.learning_rate),
        initial_updates=update_function(m, grid),
        initial_intercept=np.array(0.0),
        slow_mode_rate_codes=np.zeros(5, int),
        initial_learning_rate=np.array(m.learning_rate),
        initial_rate_code=np.array(0),
        initial_gain=np.array(m.learning_rate),
        saturation_levels=np.full(2, m.update),
        half_saturation_gradients=np.full(2, 0.55 * m.update / m.learning_rate),
        saturation_slopes=np.full(2, 0.01),
        autonomous_learning_rates=m.learning_rate * schedule,
        autonomous_rate_codes=np.zeros(STEPS + 1, int),
        autonomous_gains=0.95 * m.learning_rate * schedule,
        autonomous_updates=np.zeros(STEPS + 1),
        constant_gradients=constant,
        constant_gradient_branches=np.append(np.zeros(len(constant) - 1, int), 1),
        constant_gradient_learning_rates=rates,
        constant_gradient_learning_rate_intervals=rates[:, None] * [1.0 - 1e-9, 1.0 + 1e-9],
        constant_gradient_rate_codes=np.zeros(len(constant), int),
        constant_gradient_gains=0.95 * rates,
        constant_gradient_intercepts=levels,
        constant_gradient_updates=np.stack(
            [update_function(m, grid, c, rate) for c, rate in zip(levels, rates, strict=True)]
        ),
        constant_gradient_shown=np.array(
            [0, len(constant) // 4, 3 * len(constant) // 4, len(constant) - 1]
        ),
        convergence_learning_rate=np.array(m.learning_rate),
        convergence_learning_rate_interval=m.learning_rate * np.array([1.0 - 1e-9, 1.0 + 1e-9]),
        convergence_rate_code=np.array(0),
        convergence_update=np.array(1e-6),
        convergence_update_interval=np.array([0.99e-6, 1.01e-6]),
        typical_gradient=np.array(0.1 * m.gradients),
        gain_amplitudes=m.gradients * np.logspace(-6, 1, 8),
        convergence_gains=m.learning_rate / (1.0 + np.logspace(-6, 1, 8)),
        convergence_secants=np.tile(m.learning_rate / (1.0 + np.logspace(-6, 1, 8)), (2, 1)),
        principal_axes=np.eye(AXES, STATE),
        explained_variance_ratios=np.array([0.5, 0.2, 0.1, 0.08, 0.04, 0.02]),
        slow_mode_overlaps=direction[:AXES] ** 2,
        slow_mode_pair=np.array([0, 2]),
        autonomous_pair=np.array([0, 1]),
        constant_gradient_pair=np.array([0, 1]),
        projected_visited=visited,
        projected_convergence_point=np.zeros(AXES),
        projected_attractors=0.3 * np.arange(3)[:, None] * np.ones(AXES),
        projected_slow_mode_direction=direction[:AXES],
        projected_slow_mode_states=positions[:, None] * direction[:AXES],
        projected_autonomous=autonomous,
        projected_constant_gradient=projected,
    )


def common_optimizers(task: str, baselines=BASELINES) -> CommonOptimizers:
    """Momentum shifts, RMSProp changes its slope: the textbook formulas; of those tuned."""
    m = MAGNITUDES.get(task, UNKNOWN)
    grid, shares = (
        np.linspace(-m.gradients, m.gradients, 101),
        np.array([-1.0, -0.5, 0.0, 0.5, 1.0]),
    )
    velocity, square = shares * m.gradients, (0.25 * (shares + 1.5) * m.gradients) ** 2
    alpha, gamma = m.learning_rate, 0.9
    updates = [
        -alpha * (0.9 * velocity[:, None] + grid),
        -alpha * grid / np.sqrt(gamma * square[:, None] + (1 - gamma) * grid**2 + 1e-12),
    ]
    names = np.array(["momentum", "rmsprop"])
    rates = np.stack([np.full(5, alpha), alpha / np.sqrt(gamma * square + 1e-12)])
    tuned = np.isin(names, baselines)
    return CommonOptimizers(
        optimizers=names[tuned],
        variables=np.array(["v", "s"])[tuned],
        gradients=grid,
        values=np.stack([velocity, square])[tuned],
        updates=np.stack(updates)[tuned],
        learning_rates=rates[tuned],
    )


def interventions(task: str, seeds, baselines=BASELINES) -> pd.DataFrame:
    """Costs that a formula says; without clipping some runs of the first seed diverge."""
    intact, rows = 0.03, []
    costs = {"intact": 1.0, "no_drift": 0.99, "no_schedule": 1.2, "no_clipping": np.inf}
    costs |= {"no_adaptation": 1.6, "linear": 2.0, "no_memory": 500.0}
    costs |= {f"modes_{2**k}": 1.5 + 8.0 / 2**k for k in range(5)} | {"modes_32": np.inf}
    costs |= {name: 1.5 + place for place, name in enumerate(baselines)}
    for number, seed in enumerate(seeds):
        for name, cost in costs.items():
            cost = 3.0 if number and np.isinf(cost) else cost * (1.0 + 0.1 * number)
            kind = "baseline" if name in baselines else "intervention"
            kind = "modes" if name.startswith("modes") else "intact" if name == "intact" else kind
            rows.append(
                {
                    "task": task,
                    "optimizer": name,
                    "seed": seed,
                    "kind": kind,
                    "modes": int(name[6:]) if kind == "modes" else -1,
                    "problems": 128,
                    "diverged": 7 * int(np.isinf(cost)),
                    "meta_objective": intact * cost,
                    "meta_objective_se": 0.001 if np.isfinite(cost) else np.nan,
                    "final_loss": cost,
                    "difference": intact * (cost - 1.0),
                    "difference_se": 0.002 if np.isfinite(cost) else np.nan,
                    "cost": cost,
                    "cost_se": 0.05 * cost if np.isfinite(cost) else np.nan,
                    "median_ratio": cost if np.isfinite(cost) else 4.0,
                    "broken": 9 * int(np.isinf(cost)),
                }
            )
    return pd.DataFrame(rows)


def distilled(task: str, seeds) -> pd.DataFrame:
    """Read off half as good again as tuned."""
    rows = []
    for number, seed in enumerate(seeds):
        for numbers, cost in (("read off", 1.3 + 0.1 * number), ("tuned", 1.2))[: 2 - number]:
            rows.append(
                {
                    "task": task,
                    "seed": seed,
                    "numbers": numbers,
                    "problems": 128,
                    "diverged": 0,
                    "meta_objective": 0.03 * cost,
                    "learned": 0.03,
                    "baseline": "momentum",
                    "baseline_meta_objective": 0.045,
                    "share": (1.5 - cost) / 0.5,
                    "share_se": 0.05,
                }
            )
    return pd.DataFrame(rows)


def stability(task: str, seeds, baselines=BASELINES) -> Stability:
    """Heavy balls of one stability limit each: the curvature times the learning rate is what counts."""
    rate = MAGNITUDES.get(task, UNKNOWN).learning_rate
    names = ["learned"] * len(seeds) + [*baselines, "heavy_ball"]
    alphas = rate * (1.0 + 0.2 * np.arange(len(names)))
    curvatures, beta = np.geomspace(1e-4, 10.0, 61) / rate, 0.85
    b = 1.0 + beta - alphas[:, None] * curvatures
    root = np.sqrt((b * b - 4.0 * beta).astype(complex))
    rates = np.maximum(np.abs(b + root), np.abs(b - root)) / 2.0
    met = 10.0 ** np.random.default_rng(50).uniform(-3.0, 0.3, 200) / rate
    met[:20] *= -1.0
    limits = 2.0 * (1.0 + beta) / alphas
    return Stability(
        optimizers=np.array(names),
        seeds=np.array([*seeds, *[-1] * (len(names) - len(seeds))]),
        curvatures=curvatures,
        spectral_radii=rates,
        rates=rates,
        stable_up_to=limits,
        largest_stable=limits,
        learning_rates=alphas,
        drifts=np.where(np.array(names) == "learned", -1e-3 * rate, 0.0),
        stationary_errors=1e-3 * (1.0 - beta) / curvatures * np.ones((len(names), 1)),
        met_curvatures=met,
        met_weights=np.full(200, 1.0 / 200),
        met_iterations=np.repeat([0, 200], 100),
    )


VARIANTS = {"gru_32": ("gru", "32", 3), "lstm_16": ("lstm", "2 x 16", 2)}
"""Of a census: family, size and number of seeds."""


def census_measured(tasks) -> pd.DataFrame:
    """Two statements with thresholds that some seeds meet; the last seed of the first variant has failed."""
    rows = []
    for task in tasks:
        for variant, (family, size, count) in VARIANTS.items():
            for seed in range(count):
                failed = variant == "gru_32" and seed == count - 1
                for name, number in (
                    ("has_schedule", 1.2 + 0.5 * seed),
                    ("arms_are_asymmetric", 1.3),
                ):
                    threshold = {"has_schedule": 1.5, "arms_are_asymmetric": 1.1}[name]
                    rows.append(
                        {
                            "task": task,
                            "variant": variant,
                            "family": family,
                            "size": size,
                            "recipe": "0123456789abcdef",
                            "seed": seed,
                            "meta_objective": np.nan if failed else 0.03 + 0.01 * seed,
                            "kind": "statement",
                            "name": name,
                            "at": np.nan,
                            "measured": np.nan if failed else number,
                            "answer": "failed"
                            if failed
                            else "yes"
                            if number >= threshold
                            else "no",
                        }
                    )
    return pd.DataFrame(rows)


def census(tasks) -> pd.DataFrame:
    """What counting ``census_measured`` gives, by hand."""
    rows = []
    for task in tasks:
        for variant, (family, size, count) in VARIANTS.items():
            for name, threshold in (("has_schedule", 1.5), ("arms_are_asymmetric", 1.1)):
                failed = int(variant == "gru_32")
                yes = count - failed - int(name == "has_schedule")
                rows.append(
                    {
                        "task": task,
                        "variant": variant,
                        "family": family,
                        "size": size,
                        "statement": name,
                        "question": name.replace("_", " "),
                        "optimizers": count,
                        "yes": yes,
                        "no": count - failed - yes,
                        "unknown": 0,
                        "failed": failed,
                        "share": yes / count,
                        "low": 0.1,
                        "high": 0.9,
                        "published": "yes" if name == "has_schedule" else "",
                        "criterion": f"yes if a number is at least {threshold:g}",
                        "sense": "at least",
                        "threshold": threshold,
                    }
                )
    return pd.DataFrame(rows)


def similarity(task: str, baselines=BASELINES) -> Similarity:
    """Optimizers on a line: learned ones by their number, baselines between them."""
    names = [name for name, (_, _, count) in VARIANTS.items() for _ in range(count)]
    seeds = [seed for _, _, count in VARIANTS.values() for seed in range(count)]
    names, seeds = [*names, *baselines], [*seeds, *[NOT_LEARNED] * len(baselines)]
    place = np.concatenate([0.1 * np.arange(5), 0.12 * np.arange(len(baselines))])
    distances = np.abs(place[:, None] - place)
    return Similarity(
        optimizers=np.array(names),
        seeds=np.array(seeds),
        behavior=distances,
        spectra=0.5 * distances,
        coordinates=np.stack([place - place.mean(), np.zeros(len(place))], axis=1),
        shares=np.array([1.0, 0.0]),
    )


def transfer(tasks) -> pd.DataFrame:
    """At home all is well; elsewhere it diverges, as predicted; rescaled gradients surprise."""
    rows = []
    for home in tasks:
        runs = [("task", task, 0.03 if task == home else np.inf) for task in tasks]
        for condition, value, objective in [
            *runs,
            ("horizon", "5", 0.01),
            ("gradients", "100", 0.9),
        ]:
            rows.append(
                {
                    "home": home,
                    "optimizer": "learned",
                    "condition": condition,
                    "value": value,
                    "task": value if condition == "task" else home,
                    "problems": 32,
                    "diverged": 9 * int(np.isinf(objective)),
                    "failing": float(np.isinf(objective)),
                    "meta_objective": objective,
                    "median_meta_objective": min(objective, 2.0),
                    "predicted": "yes" if objective > 0.5 else "no",
                    "failed": "yes" if np.isinf(objective) else "no",
                }
            )
    return pd.DataFrame(rows)


def trials(task: str, optimizer: str) -> pd.DataFrame:
    """Scores on a parabola in log10(learning rate), some infinite; the second half was dropped early."""
    rng, count = np.random.default_rng(40), 200
    rate = MAGNITUDES.get(task, UNKNOWN).learning_rate * 10.0 ** rng.uniform(-2.0, 1.0, count)
    distance = np.log10(rate / MAGNITUDES.get(task, UNKNOWN).learning_rate)
    place = BASELINES.index(optimizer) if optimizer in BASELINES else len(optimizer)
    score = (0.05 + 0.02 * place) * 10.0 ** (0.5 * distance**2 + 0.2 * rng.uniform(size=count))
    score[distance > 0.8] = np.inf
    rung = (np.arange(count) < count // 2).astype(int)
    order = np.lexsort((score, -rung))
    rank = np.empty(count, int)
    rank[order] = np.arange(1, count + 1)
    columns = {"trial": np.arange(count), "learning_rate": rate, "score": score}
    columns |= OTHERS.get(optimizer, {})
    return pd.DataFrame(columns | {"rung": rung, "rank": rank, "diverged": ~np.isfinite(score)})


def write(folder: Path, seeds=SEEDS, baselines=BASELINES) -> None:
    """Write a whole results folder (results/<scale>) to ``folder``: of any tasks and baselines."""
    validation = [
        ValidationRow("momentum", "eigenvalue", 0.9, 0.9, 0.0, 1e-12, "pass"),
        ValidationRow("momentum", "learning rate", 0.1, 0.2, 0.1, 1e-12, "fail"),
        ValidationRow("rmsprop", "eigenvalue", 0.99, 0.99, 1e-15, 1e-12, "pass"),
    ]
    store.save_table(folder / "validation.csv", pd.DataFrame(validation))
    store.save_table(folder / "interventions" / "transfer.csv", transfer(seeds))
    store.save_table(folder / "census.csv", census(seeds))
    store.save_table(folder / "census_measured.csv", census_measured(seeds))
    for task, numbers in seeds.items():
        facts = {"task": task}
        losses = evaluation(task, numbers, baselines)
        store.save(folder / "portraits" / f"{task}.npz", portrait(task), facts)
        alike = similarity(task, baselines)
        store.save(folder / "census" / task / "similarity.npz", alike, facts)
        store.save(folder / "evaluation" / task / "losses.npz", losses, facts)
        record = common_optimizers(task, baselines)
        store.save(folder / "common_optimizers" / f"{task}.npz", record, facts)
        causes = folder / "interventions" / task
        store.save_table(causes / "interventions.csv", interventions(task, numbers, baselines))
        store.save_table(causes / "distilled.csv", distilled(task, numbers))
        store.save(causes / "stability.npz", stability(task, numbers, baselines), facts)
        training = folder / "meta_training" / task
        store.save_json(training / "selection.json", {"selected": SELECTED.get(task, numbers[0])})
        for seed in numbers:
            step = np.arange(10, 501, 10)
            curve = {
                "step": step,
                "meta_objective": 0.04 + np.exp(-step / 100.0) * (1 + 0.1 * seed),
                "validation_meta_objective": np.where(
                    step % 50, np.nan, 0.041 + np.exp(-step / 100.0)
                ),
                "gradient_norm": 1.0 / step,
                "skipped_steps": 0,
            }
            store.save_table(training / f"seed_{seed}" / "curve.csv", pd.DataFrame(curve))
            analysis = folder / "analysis" / task / f"seed_{seed}"
            for stage in (trajectories, fixed_points, linearization, responses):
                facts = {"task": task, "seed": seed}
                store.save(analysis / f"{stage.__name__}.npz", stage(task, seed), facts)
        if task in EARLY:
            place = folder / "analysis" / task / f"seed_{EARLY[task]}"
            facts = {"task": task, "seed": EARLY[task]}
            for stage in (trajectories, fixed_points, linearization, responses):
                store.save(place / f"{stage.__name__}.npz", stage(task, EARLY[task]), facts)
        for optimizer in baselines:
            table, baseline = trials(task, optimizer), folder / "baselines" / task / optimizer
            winner = table.loc[table["rank"].idxmin()]
            store.save_table(baseline / "trials.csv", table)
            store.save_json(
                baseline / "best.json",
                {
                    "optimizer": optimizer,
                    "hyperparameters": {
                        "learning_rate": float(winner.learning_rate),
                        **OTHERS.get(optimizer, {}),
                    },
                    "meta_objective": float(winner.score),
                    "trials": len(table),
                    "diverged_share": 0.1,
                },
            )
