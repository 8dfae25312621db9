"""What the analysis of one optimizer costs, and how exact it is beside the published method.

    python benchmarks/analysis.py                        a planted GRU of 256 units
    python benchmarks/analysis.py --theta theta.npz      a trained one

Everything that the workflow does for one optimizer is timed stage by stage, compilation included:
runs on linear-regression problems (float32), fixed points from 200 starts, modes, responses
(float64). Beside it, in the same run and from the same starts, the published analysis: 1,000
steps of Adam on the speed 1/2 ||h - F(h, 0)||^2 in float32, tolerance 1e-8; against it stands the search
from those starts alone, and both are timed once more as compiled. One thread. Printed, and stored
in results/benchmarks/analysis.json.

The planted GRU has known modes (the slowest 0.999) at a known fixed point; its starts are drawn
about it, because its runs on problems mean nothing.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["NPROC"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
import optax
from study import optimizer, whole

from lopt.analysis.fixed_point_search import find_fixed_points
from lopt.analysis.fixed_points import analyze_fixed_points
from lopt.analysis.linearization import linearize
from lopt.analysis.responses import respond, typical_gradient
from lopt.analysis.trajectories import summarize_trajectories
from lopt.keys import stream
from lopt.learned.gru import GRU, GRUTheta
from lopt.learned.planted_gru import plant_gru
from lopt.optimizers import ComponentOptimizer
from lopt.optimizers.planted import plant_modes
from lopt.records import store
from lopt.tasks import as_dtype, sample_batch
from lopt.tasks.linear_regression import LinearRegression

RESULT = Path("results/benchmarks/analysis.json")
STARTS, PROBLEMS, STEPS, LIMIT = 200, 64, 200, 5.0
CONSTANT = np.concatenate([-np.logspace(-1, 1, 8)[::-1], np.logspace(-1, 1, 8)])


def planted(units: int) -> tuple[GRU, GRUTheta, np.ndarray, np.ndarray]:
    """Return a GRU with known modes, its fixed point, and starts about it."""
    random = np.random.default_rng(0)
    eigenvalues = [0.999, 0.98, 0.95, 0.9 + 0.05j, *np.linspace(0.8, -0.3, units - 5)]
    modes = plant_modes(random, eigenvalues, 0.1 * np.ones(len(eigenvalues)))
    point = jnp.asarray(random.uniform(-0.3, 0.3, units))
    starts = np.asarray(point) + 0.002 * random.standard_normal((STARTS, units))
    return GRU(units), plant_gru(random, point, *modes), np.asarray(point, np.float64), starts


def timed(function: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    wall, processor = time.perf_counter(), time.process_time()
    result = function()
    return result, {
        "seconds": round(time.perf_counter() - wall, 2),
        "processor_seconds": round(time.process_time() - processor, 2),
    }


def published_method(component: ComponentOptimizer, starts: np.ndarray) -> Callable[[], np.ndarray]:
    """Return a function that returns the points after 1,000 steps of Adam on the speed, in float32."""

    def loss(h: jax.Array) -> jax.Array:
        residual = component.transition(h, jnp.zeros(len(h), h.dtype)) - h
        return 0.5 * jnp.sum(residual**2)  # rows do not interact: each follows its own speed

    adam = optax.adam(optax.exponential_decay(1e-2, 1000, 1e-2))

    @jax.jit
    def run(h: jax.Array) -> jax.Array:
        def step(carry: tuple, _: None) -> tuple[tuple, None]:
            h, state = carry
            updates, state = adam.update(jax.grad(loss)(h), state)
            return (optax.apply_updates(h, updates), state), None

        return jax.lax.scan(step, (h, adam.init(h)), length=1000)[0][0]

    first = jnp.asarray(starts, jnp.float32)
    return lambda: np.asarray(run(first).block_until_ready())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--theta", type=Path, help="a trained optimizer (default: a planted one)")
    parser.add_argument("--units", type=whole(5), default=256, help="of the planted one")
    arguments = parser.parse_args()
    if arguments.theta:
        family, theta, _ = optimizer(arguments.theta)
    else:
        family, theta, point, starts = planted(arguments.units)
    component = family.component(as_dtype(theta, jnp.float64))
    single = family.component(as_dtype(theta, jnp.float32))
    task, grid = LinearRegression(), np.linspace(-LIMIT, LIMIT, 201)

    stages = {}
    problems = sample_batch(task, stream(0, "benchmark"), PROBLEMS)
    runs, stages["trajectories"] = timed(
        lambda: summarize_trajectories(
            task, single, problems, steps=STEPS, key=stream(0, "states"), gradient_edges=grid
        )
    )
    if arguments.theta:
        visited, late = np.float64(runs.visited_states), np.float64(runs.late_states)
    else:
        visited, late = starts, starts[:100]
    found, stages["fixed points"] = timed(
        lambda: analyze_fixed_points(component, visited, late, CONSTANT, starts=STARTS)
    )
    modes, stages["linearization"] = timed(
        lambda: linearize(
            component,
            found.convergence_point,
            point_error=found.convergence_error,
            typical_gradient=typical_gradient(runs),
        )
    )
    _, stages["responses"] = timed(
        lambda: respond(component, runs, found, modes, update_gradients=grid)
    )
    total = {
        name: round(sum(stage[name] for stage in stages.values()), 2)
        for name in ("seconds", "processor_seconds")
    }
    ours, _ = timed(lambda: find_fixed_points(component, visited[:STARTS]))
    ours, search = timed(lambda: find_fixed_points(component, visited[:STARTS]))
    adam = published_method(single, visited[:STARTS])
    theirs, cost = timed(adam)
    _, again = timed(adam)
    residuals = (
        component.transition(jnp.asarray(theirs, jnp.float64), jnp.zeros(len(theirs))) - theirs
    )
    speeds = 0.5 * np.sum(np.square(residuals), axis=1)
    if arguments.theta:
        point = found.convergence_point  # the best that is known

    def median_distance(points: np.ndarray) -> float:
        return float(np.median(np.linalg.norm(points - point, axis=1)))

    result = {
        "units": family.units,
        "stages": stages,
        "total": total,
        "speed_at_convergence_point": float(found.convergence_speed),
        "largest_speed_of_starts": float(found.speeds.max()),
        "largest_relative_error_of_starts": float(found.relative_errors.max()),
        "starts_per_point": found.distinct_counts.tolist(),
        "basin_share": float(found.basin_share),
        "largest_constant_gradient_speed": float(found.constant_gradient_speeds.max()),
        "search_alone": {
            "compiled": search,
            "median_distance": median_distance(ours.points),
        },
        "published_method": {
            **cost,
            "compiled": again,
            "median_speed": float(np.median(speeds)),
            "smallest_speed": float(speeds.min()),
            "share_below_1e-8": float(np.mean(speeds < 1e-8)),
            "median_distance": median_distance(theirs),
        },
    }
    print(json.dumps(result, indent=2))
    store.save_json(RESULT, result)


if __name__ == "__main__":
    main()
