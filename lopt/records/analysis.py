r"""What the analysis returns: NamedTuples of NumPy arrays, one per stage and file.

This module knows neither JAX nor files, so that figures and tables can read the results without the
optimizer that made them. Dimension names mean the same everywhere:

    state          size n of the optimizer's state h       steps_plus_1  iterations 0 ... steps
    mode           eigenmodes of J (as many as ``state``)  update_grid   g of update functions
    constant_grid  constant gradients, ascending           axis          principal axes kept
    attractor      what runs can end at for g = 0          amplitude     sizes of |g|, ascending

Conventions: an optimizer *adds* its update, x[k+1] = x[k] + dx[k]; an effective learning rate is
-d(dx)/dg at g = 0; the drift is the update where the gradient is 0; speed is
1/2 ||h - F(h, g)||^2; angles and directions are unit vectors in the Euclidean norm of the state.
"Arm" 0 are negative gradients, arm 1 positive ones. An interval [low, high] of a reading is what
the error of the point that it is read at leaves open; a relative error of a point is the largest
of its entries' errors over their scales. A conjugate pair of modes is *one* mode whose learning
rate is the sum of both members' alphas, and its size the sum of their |alpha|.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Int

__all__ = [
    "Attractors",
    "Branches",
    "Code",
    "FixedPointAnalysis",
    "FixedPoints",
    "Linearization",
    "ModeCode",
    "RateCode",
    "Responses",
    "Trajectories",
    "ValidationRow",
]


class Code(IntEnum):
    """How the search for a fixed point from one start ended, and what an attractor is."""

    CONVERGED = 0
    """A fixed point, and what is read there is determined: errors of the state's entries, of the
    effective learning rate and of the update are below the tolerance, relative to their scales."""
    SLOW_POINT = 1
    """A minimum of the speed that is not zero: the state lingers here, but moves on."""
    STALLED = 2
    """Iterations ran out before anything was certain."""
    OUTLIER = 3
    """Non-finite, or much further from the starts than they are from each other."""
    UNDETERMINED = 4
    """A fixed point as far as can be told, but readings there are not determined: the error
    estimate exceeds the tolerance (I - J is all but singular)."""
    CONTINUUM = 5
    """One of a continuum of fixed points (J has an eigenvalue 1 within its error, and moving along
    its vector leads to other fixed points): a line attractor, if it attracts."""
    LIMIT_CYCLE = 6
    """Not a point: the states go round for ever."""
    FOLD = 7
    """Where a branch of fixed points ends: it turns back at this gradient."""


class ModeCode(IntEnum):
    """What the modes of a linearization mean one by one."""

    RESOLVED = 0
    """Every mode stands for itself."""
    MERGED = 1
    """Some eigenvalues are equal within their error and count as one mode; that mode acts exactly
    like one momentum."""
    DEFECTIVE = 2
    """Some eigenvalues that are equal within their error lack a basis of eigenvectors: only the
    group means something (its mean eigenvalue, its summed learning rate), and it does not act
    like one momentum."""


class RateCode(IntEnum):
    """What a slope of the update function at g = 0 means."""

    SMOOTH = 0
    """The derivative is the limit of secants, and describes gradients of typical size within a
    factor of two."""
    NOT_DIFFERENTIABLE = 1
    """The update jumps or has a kink at g = 0, or its slope grows without bound: there is no
    effective learning rate; the gain at a typical amplitude is given instead."""
    NOT_REPRESENTATIVE = 2
    """The derivative exists, but the gain at a typical gradient differs from it by more than a
    factor of two."""


class Trajectories(NamedTuple):
    """What runs of one optimizer on test problems visited (``trajectories.npz``).

    Problems whose losses became non-finite are counted in ``diverged`` and left out of all the
    rest.
    """

    mean_losses: Float[np.ndarray, " steps_plus_1"]
    """Mean over problems of f(x[k])."""
    loss_standard_errors: Float[np.ndarray, " steps_plus_1"]
    """Standard error of that mean (0 for a single problem)."""
    total_variance: Float[np.ndarray, " steps_plus_1"]
    """Trace of the covariance of h[k] over all problems and components, iteration by iteration.
    Figure 2's inset."""
    visited_states: Float[np.ndarray, "visited state"]
    """A random sample of the states met, uniform over iterations, problems and components."""
    visited_iterations: Int[np.ndarray, " visited"]
    """The iteration each of them belongs to."""
    late_states: Float[np.ndarray, "late state"]
    """A random sample of the states h[steps] at the end of the runs."""
    gradient_edges: Float[np.ndarray, " gradient_edge"]
    """Edges of the bins of the signed gradient, ascending (one more than counts). Figure 3."""
    gradient_counts: Int[np.ndarray, " gradient_bin"]
    """Gradients met per bin."""
    gradients_outside: Int[np.ndarray, "2"]
    """Gradients below the first edge and above the last."""
    magnitude_edges: Float[np.ndarray, " magnitude_edge"]
    """Edges of the bins of log10 |g|, ascending (one more than counts)."""
    magnitude_counts: Int[np.ndarray, " magnitude_bin"]
    """Gradients met per bin; the end bins also hold what lies beyond, exact zeros the first."""
    gradient_quantile_levels: Float[np.ndarray, " quantile"]
    """Levels in (0, 1) of the quantiles of |g|."""
    gradient_quantiles: Float[np.ndarray, " quantile"]
    """Quantiles of |g| over everything met (to the resolution of the magnitude bins)."""
    autonomous_states: Float[np.ndarray, "steps_plus_1 state"]
    """h[0] ... h[steps] with g = 0 throughout: the autonomous trajectory; row 0 is the initial
    state."""
    problems: Int[np.ndarray, ""]
    """Number of problems run."""
    diverged: Int[np.ndarray, ""]
    """How many of them became non-finite."""


class FixedPoints(NamedTuple):
    """Fixed points found from many starts for one constant gradient, start by start."""

    points: Float[np.ndarray, "start state"]
    """Where the search from each start ended (meaningful with its code and speed)."""
    speeds: Float[np.ndarray, " start"]
    """1/2 ||h - F(h, g)||^2 there."""
    relative_errors: Float[np.ndarray, " start"]
    """Largest error of an entry over its scale (infinite where no fixed point was found)."""
    iterations: Int[np.ndarray, " start"]
    """Evaluations of the pre-search plus Newton/Levenberg-Marquardt iterations spent."""
    codes: Int[np.ndarray, " start"]
    """A ``Code`` per start."""
    groups: Int[np.ndarray, " start"]
    """Row of ``distinct_points`` that the start found, or -1 if it found no fixed point."""
    distinct_points: Float[np.ndarray, "distinct state"]
    """The fixed points without duplicates (of a continuum, one); most often found first."""
    distinct_errors: Float[np.ndarray, "distinct state"]
    """Bounds of the errors of their entries, |(I - J)^-1| (|h - F(h, g)| + rounding)."""
    distinct_codes: Int[np.ndarray, " distinct"]
    """CONVERGED, UNDETERMINED or CONTINUUM."""
    distinct_speeds: Float[np.ndarray, " distinct"]
    """Their speeds."""
    distinct_counts: Int[np.ndarray, " distinct"]
    """How many starts found each."""


class Attractors(NamedTuple):
    """What runs end at when the gradient is 0; unstable fixed points are listed after them.

    Stable points, continua and limit cycles, the largest basin first. Readings of a continuum or a
    cycle are means over the states that runs arrive at, their intervals the ranges.
    """

    points: Float[np.ndarray, "attractor state"]
    """The fixed point; of a continuum or cycle, one state of it."""
    errors: Float[np.ndarray, "attractor state"]
    """Bounds of the errors of its entries (of a continuum or cycle, half the extent visited)."""
    codes: Int[np.ndarray, " attractor"]
    """CONVERGED or UNDETERMINED (an isolated point), CONTINUUM or LIMIT_CYCLE."""
    stable: Int[np.ndarray, " attractor"]
    """1 if the spectral radius is at most 1 within its error, else 0."""
    basin_shares: Float[np.ndarray, " attractor"]
    """Share of the late states that arrive (0 for unstable points); what is missing to 1
    diverged or did not settle."""
    basin_distances: Float[np.ndarray, " attractor"]
    """Largest Euclidean distance left among those after ``basin_steps`` steps (infinite if
    none)."""
    spectral_radii: Float[np.ndarray, " attractor"]
    """max |eigenvalue of dF/dh|, per step also for a cycle (NaN where its period is unknown)."""
    periods: Int[np.ndarray, " attractor"]
    """1 for points; of a cycle, its period in iterations, or 0 where it never closes."""
    learning_rates: Float[np.ndarray, " attractor"]
    """Effective learning rate there."""
    learning_rate_intervals: Float[np.ndarray, "attractor 2"]
    updates: Float[np.ndarray, " attractor"]
    """The drift: update per iteration once the gradient is 0."""
    update_intervals: Float[np.ndarray, "attractor 2"]


class Branches(NamedTuple):
    """Fixed points for constant gradients, ascending, followed outward from one at g = 0."""

    points: Float[np.ndarray, "constant_grid state"]
    errors: Float[np.ndarray, "constant_grid state"]
    """Bounds of the errors of their entries (infinite where none was found)."""
    speeds: Float[np.ndarray, " constant_grid"]
    iterations: Int[np.ndarray, " constant_grid"]
    codes: Int[np.ndarray, " constant_grid"]
    branches: Int[np.ndarray, " constant_grid"]
    """0: on the branch of the point it started from; 1, 2, ...: on another branch, found where
    that ended (numbered outward on each arm); -1: no fixed point."""
    spectral_radii: Float[np.ndarray, " constant_grid"]
    """max |eigenvalue of dF/dh| there (NaN where there is no fixed point): the branch is stable
    where it is below 1."""
    end_codes: Int[np.ndarray, "2"]
    """Per arm, how branch 0 ends: CONVERGED (it reaches the last gradient), FOLD, or STALLED (it
    could not be followed)."""
    end_gradients: Float[np.ndarray, "2"]
    """Per arm, where: at the fold, or where it was lost; the last gradient if it was not."""


class FixedPointAnalysis(NamedTuple):
    """The fixed points of one optimizer (``fixed_points.npz``)."""

    convergence_point: Float[np.ndarray, " state"]
    """h* = F(h*, 0), the stable fixed point that most runs end at."""
    convergence_error: Float[np.ndarray, " state"]
    """Bounds of the errors of its entries."""
    convergence_speed: Float[np.ndarray, ""]
    """Speed there."""
    convergence_code: Int[np.ndarray, ""]
    """Its ``Code``; anything but CONVERGED says that h* is only approximate."""
    convergence_update: Float[np.ndarray, ""]
    """readout(h*): the drift of the parameters once the gradient is 0, ideally none."""
    convergence_update_interval: Float[np.ndarray, "2"]
    convergence_spectral_radius: Float[np.ndarray, ""]
    """max |eigenvalue of dF/dh| at h*."""
    basin_share: Float[np.ndarray, ""]
    """Share of the late states from which the autonomous map arrives at h*."""
    basin_distance: Float[np.ndarray, ""]
    """Largest distance from h* left among those after ``basin_steps`` autonomous steps."""
    basin_steps: Int[np.ndarray, ""]
    """How many autonomous steps the late states were run on."""
    attractor_points: Float[np.ndarray, "attractor state"]
    """Everything that runs end at, and unstable fixed points: as in ``Attractors``."""
    attractor_errors: Float[np.ndarray, "attractor state"]
    attractor_codes: Int[np.ndarray, " attractor"]
    attractor_stable: Int[np.ndarray, " attractor"]
    attractor_basin_shares: Float[np.ndarray, " attractor"]
    attractor_basin_distances: Float[np.ndarray, " attractor"]
    attractor_spectral_radii: Float[np.ndarray, " attractor"]
    attractor_periods: Int[np.ndarray, " attractor"]
    attractor_learning_rates: Float[np.ndarray, " attractor"]
    attractor_learning_rate_intervals: Float[np.ndarray, "attractor 2"]
    attractor_updates: Float[np.ndarray, " attractor"]
    attractor_update_intervals: Float[np.ndarray, "attractor 2"]
    points: Float[np.ndarray, "start state"]
    """For the starts drawn from visited states, g = 0: as in ``FixedPoints``."""
    speeds: Float[np.ndarray, " start"]
    relative_errors: Float[np.ndarray, " start"]
    iterations: Int[np.ndarray, " start"]
    codes: Int[np.ndarray, " start"]
    groups: Int[np.ndarray, " start"]
    distinct_points: Float[np.ndarray, "distinct state"]
    distinct_errors: Float[np.ndarray, "distinct state"]
    distinct_codes: Int[np.ndarray, " distinct"]
    distinct_speeds: Float[np.ndarray, " distinct"]
    distinct_counts: Int[np.ndarray, " distinct"]
    constant_gradients: Float[np.ndarray, " constant_grid"]
    """The constant gradients g, ascending; negative ones first."""
    constant_gradient_points: Float[np.ndarray, "constant_grid state"]
    """Fixed points for each, followed outward from h* along each arm: as in ``Branches``."""
    constant_gradient_errors: Float[np.ndarray, "constant_grid state"]
    constant_gradient_speeds: Float[np.ndarray, " constant_grid"]
    constant_gradient_iterations: Int[np.ndarray, " constant_grid"]
    constant_gradient_codes: Int[np.ndarray, " constant_grid"]
    constant_gradient_branches: Int[np.ndarray, " constant_grid"]
    constant_gradient_spectral_radii: Float[np.ndarray, " constant_grid"]
    branch_end_codes: Int[np.ndarray, "2"]
    branch_end_gradients: Float[np.ndarray, "2"]


class Linearization(NamedTuple):
    r"""An optimizer linearized at a point (``linearization.npz``).

    h' = h* + J (h - h*) + j g,  dx = dx* + r^T (h' - h*),  J = R Lambda L,  L = R^-1. Modes are
    sorted by |lambda|, largest first, conjugate pairs adjacent with the positive imaginary part
    first.
    """

    point: Float[np.ndarray, " state"]
    """h*, where the derivatives were taken."""
    gradient: Float[np.ndarray, ""]
    """The gradient g at which they were taken (0 at a convergence point)."""
    update: Float[np.ndarray, ""]
    """dx* = readout(F(h*, g))."""
    jacobian: Float[np.ndarray, "state state"]
    """J = dF/dh."""
    input_vector: Float[np.ndarray, " state"]
    """j = dF/dg."""
    readout_vector: Float[np.ndarray, " state"]
    """r = gradient of the readout at F(h*, g)."""
    eigenvalues: Complex[np.ndarray, " mode"]
    """lambda_m."""
    right_vectors: Complex[np.ndarray, "state mode"]
    """R: column m is the direction of mode m, of unit norm."""
    left_vectors: Complex[np.ndarray, "mode state"]
    """L = R^-1: row m measures the amplitude of mode m."""
    momenta: Float[np.ndarray, " mode"]
    """beta_m = |lambda_m|."""
    complex_learning_rates: Complex[np.ndarray, " mode"]
    """alpha_m = -(r^T R)_m (L j)_m; conjugate for conjugate modes. Their sum is the effective
    learning rate at h*."""
    learning_rates: Float[np.ndarray, " mode"]
    """Re alpha_m: this member's immediate response; a pair together contributes twice this."""
    whole_learning_rates: Float[np.ndarray, " mode"]
    """The learning rate of the mode that each belongs to: of a pair the sum of both, 2 Re alpha_m,
    otherwise alpha_m. Summed over ``heads`` it is the effective learning rate."""
    whole_sizes: Float[np.ndarray, " mode"]
    """The size of the mode that each belongs to: sum of |alpha| over its members, the strength of
    its response at the peak of its oscillation (|learning rate| for real modes)."""
    heads: Int[np.ndarray, " mode"]
    """1 where a mode begins: a real eigenvalue, the member of a pair with the positive imaginary
    part, the first member of a cluster; modes are counted by these."""
    clusters: Int[np.ndarray, " mode"]
    """Modes with one number have eigenvalues equal within their errors (a pair has two numbers).
    ``eigenvalues`` has their mean, the first has the learning rate of all."""
    eigenvalue_errors: Float[np.ndarray, " mode"]
    """Bounds of the errors of lambda_m, from rounding and from the error of the point."""
    learning_rate_errors: Float[np.ndarray, " mode"]
    """Bounds of the errors of ``whole_learning_rates``, likewise."""
    mode_code: Int[np.ndarray, ""]
    """A ``ModeCode``: whether modes mean something one by one."""
    timescales: Float[np.ndarray, " mode"]
    """-1 / log|lambda_m| in iterations: 0 for lambda = 0, infinite at |lambda| = 1, negative
    (growth) beyond."""
    condition_number: Float[np.ndarray, ""]
    """Of R in the 2-norm: errors in L and alpha can be this much larger than in J."""
    reconstruction_error: Float[np.ndarray, ""]
    """||R Lambda L - J||_F / ||J||_F: rounding, or what a defective cluster does beyond momentum."""
    slow_mode: Int[np.ndarray, ""]
    """Index of the slow mode: the largest |lambda| among the modes that a gradient can move and the
    update can see (size at least a tenth of the largest, pairs whole)."""
    leading_mode: Int[np.ndarray, ""]
    """Index of the mode of the largest size, pairs counted whole."""
    cancellation_ratio: Float[np.ndarray, ""]
    """Sum of the modes' sizes over the |sum| of their learning rates, sum |alpha| / |sum alpha|: 1
    if all pull one way."""
    typical_gradient: Float[np.ndarray, ""]
    """A size |g| that runs meet (NaN: none was given); what follows is taken at -|g| and |g|."""
    typical_eigenvalues: Complex[np.ndarray, "2 mode"]
    typical_complex_learning_rates: Complex[np.ndarray, "2 mode"]
    typical_learning_rates: Float[np.ndarray, "2"]
    """Effective learning rate -d(dx)/dg at these gradients."""


class Responses(NamedTuple):
    """Everything that figures 2-5 draw beyond the other stages (``responses.npz``).

    Update functions are dx(g) = readout(F(h, g)) on ``update_gradients``. Projections are
    coordinates on the first principal axes of the visited states *with the convergence point
    as origin*.
    """

    update_gradients: Float[np.ndarray, " update_grid"]
    """Gradient grid g of every update function below, ascending."""

    slow_mode_direction: Float[np.ndarray, " state"]
    """Unit vector along the slow mode, signed so that moving along it raises the update."""
    slow_mode_positions: Float[np.ndarray, " position"]
    """Signed distances from h* along it, ascending: the five positions of figure 2."""
    slow_mode_states: Float[np.ndarray, "position state"]
    """h* + position * direction."""
    slow_mode_updates: Float[np.ndarray, "position update_grid"]
    """Update function at each position (figure 2, middle)."""
    slow_mode_intercepts: Float[np.ndarray, " position"]
    """dx at g = 0."""
    slow_mode_learning_rates: Float[np.ndarray, " position"]
    """Effective learning rate."""
    slow_mode_rate_codes: Int[np.ndarray, " position"]
    """A ``RateCode`` for each."""

    initial_updates: Float[np.ndarray, " update_grid"]
    """Update function at the initial state (figure 3, top)."""
    initial_intercept: Float[np.ndarray, ""]
    """dx at g = 0 there."""
    initial_learning_rate: Float[np.ndarray, ""]
    """Effective learning rate there (as everywhere here: the gain at a typical gradient where the
    update has no slope at 0)."""
    initial_rate_code: Int[np.ndarray, ""]
    """Its ``RateCode``."""
    initial_gain: Float[np.ndarray, ""]
    """Gain at the typical gradient there."""
    saturation_levels: Float[np.ndarray, "2"]
    """Per arm, largest |dx(g) - dx(0)| on the grid at the initial state."""
    half_saturation_gradients: Float[np.ndarray, "2"]
    """Per arm, smallest |g| at which half of that is reached."""
    saturation_slopes: Float[np.ndarray, "2"]
    """Per arm, d(dx)/dg at the end of the grid over that at g = 0: 1 for a linear response, 0 for
    a saturated one."""

    autonomous_learning_rates: Float[np.ndarray, " steps_plus_1"]
    """Effective learning rate along the autonomous trajectory (figure 4, bottom)."""
    autonomous_rate_codes: Int[np.ndarray, " steps_plus_1"]
    """A ``RateCode`` for each."""
    autonomous_gains: Float[np.ndarray, " steps_plus_1"]
    """Gain at the typical gradient along it."""
    autonomous_updates: Float[np.ndarray, " steps_plus_1"]
    """Update at g = 0 along it."""

    constant_gradients: Float[np.ndarray, " constant_grid"]
    """Constant gradients of the fixed points, ascending."""
    constant_gradient_branches: Int[np.ndarray, " constant_grid"]
    """The branch each point is on: 0 that of h*, as in ``Branches``."""
    constant_gradient_learning_rates: Float[np.ndarray, " constant_grid"]
    """Effective learning rate at each constant-gradient fixed point (figure 5, bottom)."""
    constant_gradient_learning_rate_intervals: Float[np.ndarray, "constant_grid 2"]
    """What the error of the point leaves open of it."""
    constant_gradient_rate_codes: Int[np.ndarray, " constant_grid"]
    """A ``RateCode`` for each."""
    constant_gradient_gains: Float[np.ndarray, " constant_grid"]
    """Gain at the typical gradient at each."""
    constant_gradient_intercepts: Float[np.ndarray, " constant_grid"]
    """dx at g = 0 there: subtract it from an update function to recenter it."""
    constant_gradient_updates: Float[np.ndarray, "constant_grid update_grid"]
    """Update function at each, *not* recentred."""
    constant_gradient_shown: Int[np.ndarray, " shown"]
    """Rows of the (up to) four drawn in figure 5, middle, ascending."""

    convergence_learning_rate: Float[np.ndarray, ""]
    """Effective learning rate at the convergence point."""
    convergence_learning_rate_interval: Float[np.ndarray, "2"]
    """What the error of h* leaves open of it."""
    convergence_rate_code: Int[np.ndarray, ""]
    """Its ``RateCode``."""
    convergence_update: Float[np.ndarray, ""]
    """The drift: readout(h*)."""
    convergence_update_interval: Float[np.ndarray, "2"]
    typical_gradient: Float[np.ndarray, ""]
    """Median of the |g| that runs met."""
    gain_amplitudes: Float[np.ndarray, " amplitude"]
    """Amplitudes A of the two curves below, decades around the typical gradient."""
    convergence_gains: Float[np.ndarray, " amplitude"]
    """Gain N(A) at h*: the effective learning rate that gradients of size A meet."""
    convergence_secants: Float[np.ndarray, "2 amplitude"]
    """Per arm, the secant between 0 and that gradient at h*, as a learning rate."""

    principal_axes: Float[np.ndarray, "axis state"]
    """Principal axes of the visited states, orthonormal rows, largest variance first."""
    explained_variance_ratios: Float[np.ndarray, " axis"]
    """Share of the visited states' variance along each."""
    slow_mode_overlaps: Float[np.ndarray, " axis"]
    """Squared cosine between the slow mode's direction and each axis."""
    slow_mode_pair: Int[np.ndarray, "2"]
    """The two axes with the largest overlap, ascending (figure 2, top)."""
    autonomous_pair: Int[np.ndarray, "2"]
    """The two axes along which the autonomous trajectory extends most (figure 4, top)."""
    constant_gradient_pair: Int[np.ndarray, "2"]
    """The two axes along which the constant-gradient points extend most (figure 5, top)."""
    projected_visited: Float[np.ndarray, "visited axis"]
    projected_convergence_point: Float[np.ndarray, " axis"]
    """Zeros: the origin."""
    projected_attractors: Float[np.ndarray, "attractor axis"]
    """All attractors, in the order of ``FixedPointAnalysis``."""
    projected_slow_mode_direction: Float[np.ndarray, " axis"]
    """Components of the unit vector (shorter than 1 in a projection)."""
    projected_slow_mode_states: Float[np.ndarray, "position axis"]
    projected_autonomous: Float[np.ndarray, "steps_plus_1 axis"]
    projected_constant_gradient: Float[np.ndarray, "constant_grid axis"]


class ValidationRow(NamedTuple):
    """One known answer beside the one the analysis found (a row of ``validation.csv``)."""

    optimizer: str
    quantity: str
    truth: float
    found: float
    error: float
    """|found - truth|, relative to |truth| where that exceeds 1."""
    tolerance: float
    verdict: str
    """"pass" if the error is finite and within the tolerance, else "fail"."""
