"""Where the update of a stored optimizer saturates: the level, the rate and the knee that figure 3 shows.

    python benchmarks/update_level.py weights/rosenbrock/seed_0.npz --largest 1000

Printed per optimizer, at its initial state: the largest update for gradients up to ``--largest`` in size (the
level), its slope at g = 0 (the rate, of the first update alone), and level over rate: the gradient at which a
line of that slope reaches the level (the knee). Then, where 200 gradients of zero have led: the rate and the
update that it goes on making.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from lopt.analysis.responses import local_response, update_function
from lopt.analysis.trajectories import autonomous_trajectory
from lopt.learned.stored import load_optimizer

STEPS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("theta", nargs="+", help="paths of stored optimizers")
    parser.add_argument("--largest", type=float, default=1000.0, help="gradient (1000)")
    options = parser.parse_args()
    sizes = np.geomspace(1e-6 * options.largest, options.largest, 200)
    gradients = jnp.asarray(np.concatenate([-sizes[::-1], sizes]))
    for path in options.theta:
        family, theta, _ = load_optimizer(path)
        component = family.component(jax.tree.map(jnp.asarray, theta))
        ends = autonomous_trajectory(component, STEPS)[jnp.array([0, STEPS])]
        level = float(np.abs(update_function(component, ends[0], gradients)).max())
        (_, drift), (rate, later) = (np.asarray(each) for each in local_response(component, ends))
        print(
            f"{path}: level {level:.4g}, rate {rate:.4g}, knee {level / rate:.4g}; "
            f"without gradients rate {later:.4g}, update {drift:.2g}"
        )


if __name__ == "__main__":
    main()
