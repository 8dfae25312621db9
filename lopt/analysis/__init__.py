"""Read the mechanism off an optimizer: from its runs to fixed points, modes and responses.

Every stage takes a ``ComponentOptimizer`` (any map h' = F(h, g), dx = readout(h')) and arrays, and
returns one of the NamedTuples of ``lopt.records.analysis``:

    trajectories    run on problems, keep statistics and a sample of what was visited
    fixed_points    h* = F(h*, g): every attractor, and one point per constant gradient
                    (fixed_point_search, newton, continua, attractors, cycles, branches, continuation)
    linearization   eigenvalues, modes (modes), momentum and learning rate of each mode at h*
    responses       update functions and effective learning rates wherever the figures want them
                    (gains: whether there is such a rate)
    validation      the same functions on optimizers whose answers are known

Whatever is read at a fixed point has an interval, or error bar, that the error of the point implies
(readings).

The analysis works in float64 (``JAX_ENABLE_X64=1``). Nothing is imported here: the results can be
read, stored and drawn without JAX.
"""
