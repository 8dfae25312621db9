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

from lopt.learned.stored import load_optimizer


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
        zero = jnp.zeros_like(gradients[0])

        def update(gradient: jax.Array, state: jax.Array, component=component) -> jax.Array:
            return component.readout(component.transition(state, gradient))

        def idle(_: int, state: jax.Array, component=component, zero=zero) -> jax.Array:
            return component.transition(state, zero)

        start = component.initial_state
        rest = jax.lax.fori_loop(0, 200, idle, start)
        level = float(np.abs(jax.vmap(update, in_axes=(0, None))(gradients, start)).max())
        rate, later = (-float(jax.grad(update)(zero, state)) for state in (start, rest))
        drift = float(update(zero, rest))
        print(
            f"{path}: level {level:.4g}, rate {rate:.4g}, knee {level / rate:.4g}; "
            f"without gradients rate {later:.4g}, update {drift:.2g}"
        )


if __name__ == "__main__":
    main()
