r"""Eigenmodes of a Jacobian that can be told apart, and how well they are known.

    J = R Lambda L,  L = R^-1,     alpha_m = -(r^T R)_m (L j)_m

An eigenvalue is known to kappa_m eps ||J||, with kappa_m = ||l_m|| ||r_m|| / |l_m r_m| its condition:
infinite at a Jordan block, where eigenvectors coincide and alphas become differences of huge
numbers. Eigenvalues that are equal within these errors are *merged* into a cluster C: its subspace
and mean eigenvalue come from the ordered Schur form, and

    alpha_C = -r^T P_C j,     P_C = R_C L_C the cluster's spectral projector,

is the sum of its members' alphas and well-conditioned where they are not. Within C the basis is
turned so that j lies along its first vector: the first member carries all of alpha_C, the others
none. If C has a basis of eigenvectors (a repeated eigenvalue) the first member then acts exactly
as one momentum; if not, C is *defective*, and R Lambda L differs from J by its nilpotent part.

Errors of alpha_C are those of P_C under a perturbation E of J, to first order

    |d alpha_C| <= ||E|| (||r^T P_C|| ||S_C j|| + ||r^T S_C|| ||P_C j||),
    S_C = sum_{k not in C} r_k l_k / (lambda_C - lambda_k),

with ||E|| the rounding of the eigenvalue computation; where they would exceed a tenth of the largest
rate, a cluster is merged with its nearest neighbor. Where no mode has a rate (all are below sqrt(eps) ||r||
||j||, as where a sign reads the state) there is nothing to tell apart by it, and none is.

Sources: Bavely and Stewart 1979 (block diagonalization); Golub and Van Loan 2013, sections
7.2 and 7.6; Kato 1995, ch. II (perturbation of projectors).
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.optimize
from jaxtyping import Bool, Complex, Float, Int
from scipy.linalg.lapack import get_lapack_funcs
from scipy.sparse.csgraph import connected_components

__all__ = [
    "Modes",
    "eigenmodes",
    "perturbation_errors",
    "unread_units",
    "whole_rates",
    "whole_sizes",
]

EPSILON = float(np.finfo(np.float64).eps)
BACKWARD_ERROR = 10.0  # of the eigenvalue computation, in units of eps ||J||_F
LARGEST_ERROR = 0.1  # of a learning rate, in units of the largest: beyond, modes are merged
NILPOTENT = (
    100.0  # a cluster further from a multiple of 1 than this (times its spread) is defective
)
ROUNDS = 5  # of merging neighbors


class Modes(NamedTuple):
    """Sorted by |lambda|, largest first; conjugate pairs adjacent, positive imaginary part first."""

    eigenvalues: Complex[np.ndarray, " mode"]
    """Of a cluster, its mean, at every member."""
    right_vectors: Complex[np.ndarray, "state mode"]
    left_vectors: Complex[np.ndarray, "mode state"]
    clusters: Int[np.ndarray, " mode"]
    """Modes of one number can't be told apart; a cluster and its conjugate share none."""
    defective: Bool[np.ndarray, " mode"]
    """Members of a cluster without a basis of eigenvectors."""
    reconstruction_error: float
    """||R Lambda L - J||_F / ||J||_F."""


def eigenmodes(
    jacobian: Float[np.ndarray, "state state"],
    input_vector: Float[np.ndarray, " state"] | None = None,
    readout_vector: Float[np.ndarray, " state"] | None = None,
) -> Modes:
    """Return the modes of a matrix, those that cannot be told apart merged.

    ``input_vector`` is j, which turns the basis within a cluster; with ``readout_vector`` r as
    well, modes whose learning rates would be too uncertain are merged, too.

    >>> eigenmodes(np.array([[0.0, -0.5], [0.5, 0.0]])).eigenvalues.round(12).tolist()
    [0.5j, -0.5j]
    >>> jordan = eigenmodes(np.array([[0.5, 1.0], [0.0, 0.5]]))
    >>> jordan.eigenvalues.real.round(6).tolist(), jordan.defective.tolist()
    ([0.5, 0.5], [True, True])
    """
    # SciPy's annotations leave open how many arrays there are.
    values, *vectors = scipy.linalg.eig(jacobian, left=True, right=True)
    left, right = vectors
    values = values.astype(np.complex128)
    # LAPACK normalizes both vectors: 1 / overlap is the condition.
    overlaps = np.abs(np.sum(left.conj() * right, axis=0))
    size = float(np.linalg.norm(jacobian))
    rounding = BACKWARD_ERROR * EPSILON * size
    # However defective, an eigenvalue of few equals moves by a root of rounding.
    errors = np.minimum(rounding / np.maximum(overlaps, EPSILON), (rounding * size**3) ** 0.25)
    distances = np.abs(values[:, None] - values)
    linked = distances <= errors[:, None] + errors
    mirror = np.argmin(np.abs(values[:, None].conj() - values), axis=1)
    least = 0.0
    if input_vector is not None and readout_vector is not None:
        least = EPSILON**0.5 * float(np.linalg.norm(input_vector) * np.linalg.norm(readout_vector))
    rounds = 0
    while True:
        rounds += 1
        labels = connected_components(linked, directed=False)[1]
        modes = _assemble(jacobian, values, right, labels, mirror, input_vector)
        if rounds == ROUNDS or input_vector is None or readout_vector is None:
            return modes
        rates = _rates(modes, input_vector, readout_vector)
        uncertain = perturbation_errors(modes, input_vector, readout_vector, rounding)[1]
        far = np.flatnonzero(
            uncertain > LARGEST_ERROR * max(np.max(np.abs(rates), initial=0.0), least)
        )
        if not far.size or labels.max() == 0:
            return modes
        for mode in far:
            # Modes were sorted: back to the eigenvalues that its cluster was made of.
            member = int(np.argmin(np.abs(values - modes.eigenvalues[mode])))
            outside = np.where(labels == labels[member], np.inf, distances[member])
            nearest = int(np.argmin(outside))
            for pair in ((member, nearest), (mirror[member], mirror[nearest])):
                linked[pair] = linked[pair[::-1]] = True


def unread_units(jacobian: Float[np.ndarray, "state state"]) -> Float[np.ndarray, " state"]:
    """Return units of the state in which no entry that none reads dwarfs the others; all 1 if none does.

    An entry whose column is 0, such as the update that an optimizer keeps, adds an eigenvalue 0 and nothing
    else, but its row may be as large as 1 over an epsilon (Adam's), and eigenvalues are known to rounding of
    the whole matrix. The units are powers of two, so that nothing is rounded by them.

    >>> unread_units(np.array([[0.9, 0.0], [1e15, 0.0]])).tolist()
    [1.0, 1125899906842624.0]
    """
    units = np.ones(len(jacobian))
    unread = ~np.any(jacobian, axis=0)
    others = float(np.linalg.norm(jacobian[~unread]))
    if others > 0.0:
        sizes = np.linalg.norm(jacobian, axis=1) / others
        large = unread & (sizes > 1.0)
        units[large] = 2.0 ** np.ceil(np.log2(sizes[large]))
    return units


def _rates(modes: Modes, input_vector: np.ndarray, readout_vector: np.ndarray) -> np.ndarray:
    return -(readout_vector @ modes.right_vectors) * (modes.left_vectors @ input_vector)


def whole_rates(
    eigenvalues: Complex[np.ndarray, " mode"], learning_rates: Complex[np.ndarray, " mode"]
) -> Float[np.ndarray, " mode"]:
    """Return each mode's learning rate with its conjugate's: 2 Re alpha of a pair, else Re alpha.

    >>> whole_rates(np.array([0.9, 0.5j, -0.5j]), np.array([1.0, 2.0 + 1.0j, 2.0 - 1.0j])).tolist()
    [1.0, 4.0, 4.0]
    """
    return np.real(learning_rates) * np.where(np.imag(eigenvalues) == 0.0, 1.0, 2.0)


def whole_sizes(
    eigenvalues: Complex[np.ndarray, " mode"], learning_rates: Complex[np.ndarray, " mode"]
) -> Float[np.ndarray, " mode"]:
    """Return the sum of |alpha| over each mode's members: how strongly it responds at its peak.

    A pair answers an impulse with 2 |alpha| |lambda|^k cos(k angle + phase).

    >>> whole_sizes(np.array([0.9, 0.5j, -0.5j]), np.array([-1.0, 3.0 + 4.0j, 3.0 - 4.0j])).tolist()
    [1.0, 10.0, 10.0]
    """
    return np.abs(learning_rates) * np.where(np.imag(eigenvalues) == 0.0, 1.0, 2.0)


def _assemble(
    jacobian: Float[np.ndarray, "state state"],
    values: Complex[np.ndarray, " mode"],
    right: Complex[np.ndarray, "state mode"],
    labels: Int[np.ndarray, " mode"],
    mirror: Int[np.ndarray, " mode"],
    input_vector: Float[np.ndarray, " state"] | None,
) -> Modes:
    """Return the modes, sorted, with one basis per cluster."""
    size, blocks = len(values), []
    schur = None
    for label in range(labels.max() + 1):
        members = np.flatnonzero(labels == label)
        own = labels[mirror[members[0]]] == label  # contains its conjugates
        if not own and np.imag(values[members]).mean() < 0.0:
            continue  # comes with its conjugate
        if len(members) == 1:
            mean, basis = values[members[0]], right[:, members].astype(np.complex128)
        else:
            schur = schur or scipy.linalg.schur(jacobian, output="complex")
            mean, basis = values[members].mean(), _subspace(*schur, values, members)
        if own:
            mean = complex(np.real(mean))
            if len(members) > 1:
                parts = np.hstack([np.real(basis), np.imag(basis)])
                basis = np.linalg.svd(parts)[0][:, : len(members)].astype(np.complex128)
        blocks.append((mean, basis, bool(own), len(members) > 1, values[members]))
    blocks.sort(key=lambda block: -abs(block[0]))
    columns, eigenvalues, clusters, ranges = [], [], [], []
    number = 0
    for mean, basis, own, merged, members in blocks:
        start, count = len(eigenvalues), basis.shape[1]
        for column in basis.T:
            columns += [column] if own else [column, column.conj()]
            eigenvalues += [mean] if own else [mean, np.conj(mean)]
            clusters += [number] if own else [number, number + 1]
        number += 1 if own else 2
        if merged:
            step = 1 if own else 2
            spread = np.max(np.abs(members - members.mean()))
            first = np.arange(start, start + step * count, step)
            ranges += [(first + shift, spread) for shift in range(step)]
    new_right = np.array(columns).T
    eigenvalues = np.array(eigenvalues, np.complex128)
    new_left = np.linalg.pinv(new_right) if ranges else _inverse(new_right)
    defective = np.zeros(size, bool)
    floor = BACKWARD_ERROR * EPSILON * np.linalg.norm(jacobian)
    for indices, spread in ranges:
        if input_vector is not None:
            amplitudes = new_left[indices] @ input_vector
            if np.any(amplitudes != 0.0):
                turn = np.linalg.qr(np.column_stack([amplitudes, np.eye(len(indices))]))[0]
                new_right[:, indices] = new_right[:, indices] @ turn
                new_left[indices] = turn.conj().T @ new_left[indices]
        block = new_left[indices] @ jacobian @ new_right[:, indices]
        nilpotent = np.linalg.norm(block - eigenvalues[indices[0]] * np.eye(len(indices)))
        defective[indices] = nilpotent > NILPOTENT * max(float(spread), floor)
    error = np.linalg.norm((new_right * eigenvalues) @ new_left - jacobian)
    error /= max(np.linalg.norm(jacobian), np.finfo(float).tiny)
    return Modes(eigenvalues, new_right, new_left, np.array(clusters), defective, float(error))


def _inverse(matrix: Complex[np.ndarray, "state mode"]) -> Complex[np.ndarray, "mode state"]:
    try:
        return np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        return np.linalg.pinv(matrix)


def _subspace(
    triangle: Complex[np.ndarray, "state state"],
    unitary: Complex[np.ndarray, "state state"],
    values: Complex[np.ndarray, " mode"],
    members: Int[np.ndarray, " member"],
) -> Complex[np.ndarray, "state member"]:
    """Return an orthonormal basis of the invariant subspace of these eigenvalues."""
    # The Schur form has its own copy of each eigenvalue: the nearest of all, one to one.
    costs = np.abs(values[:, None] - np.diag(triangle))
    rows, columns = scipy.optimize.linear_sum_assignment(costs)
    chosen = np.zeros(len(values), np.int32)
    chosen[columns[np.isin(rows, members)]] = 1
    (reorder,) = get_lapack_funcs(("trsen",), (triangle, unitary))
    return reorder(chosen, triangle, unitary, job="N")[1][:, : len(members)]


def perturbation_errors(
    modes: Modes,
    input_vector: Float[np.ndarray, " state"],
    readout_vector: Float[np.ndarray, " state"],
    size: float,
    change: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
) -> tuple[Float[np.ndarray, " mode"], Float[np.ndarray, " mode"]]:
    """Return bounds of the errors of each eigenvalue and each whole mode's learning rate.

    Args:
        modes: as ``eigenmodes`` returns.
        input_vector: j.
        readout_vector: r.
        size: ||E||, of a perturbation of J of unknown direction.
        change: a perturbation of J, j and r of known direction besides (that of an error in the
            point), which counts with its size whatever its sign.
    """
    values, right, left = modes.eigenvalues, modes.right_vectors, modes.left_vectors
    weights, amplitudes = readout_vector @ right, left @ input_vector
    value_errors, rate_errors = np.zeros(len(values)), np.zeros(len(values))
    rounding = EPSILON * np.linalg.norm(input_vector), EPSILON * np.linalg.norm(readout_vector)
    for cluster in range(modes.clusters.max() + 1):
        members = modes.clusters == cluster
        mean = values[members][0]
        with np.errstate(divide="ignore"):
            inverse = np.where(members, 0.0, 1.0 / np.where(members, 1.0, mean - values))
        seen = weights[members] @ left[members]  # r^T P
        driven = right[:, members] @ amplitudes[members]  # P j
        seen_elsewhere = (weights * inverse) @ left  # r^T S
        driven_elsewhere = right @ (inverse * amplitudes)  # S j
        norms = [np.linalg.norm(part) for part in (seen, driven, seen_elsewhere, driven_elsewhere)]
        projector = np.linalg.norm(right[:, members], 2) * np.linalg.norm(left[members], 2)
        value_error = size * projector
        rate_error = size * (norms[0] * norms[3] + norms[2] * norms[1])
        rate_error += rounding[0] * norms[0] + rounding[1] * norms[1]
        if change is not None:
            jacobian, input_change, readout_change = change
            trace = np.sum(left[members] * (jacobian @ right[:, members]).T)
            value_error += abs(trace) / members.sum()
            rate_error += abs(
                seen @ jacobian @ driven_elsewhere
                + seen_elsewhere @ jacobian @ driven
                + seen @ input_change
                + readout_change @ driven
            )
        pair = 1.0 if mean.imag == 0.0 else 2.0
        value_errors[members], rate_errors[members] = value_error, pair * rate_error
    return value_errors, rate_errors
