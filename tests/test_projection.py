"""Principal axes against scikit-learn; the planes that figures show."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from lopt.analysis.projection import extent_pair, overlap_pair, principal_axes, project


@pytest.fixture
def states() -> np.ndarray:
    random = np.random.default_rng(0)
    return random.normal(size=(200, 8)) @ np.diag(2.0 ** -np.arange(8)) @ random.normal(size=(8, 8))


def test_axes_agree_with_scikit_learn(states):
    reference = PCA(n_components=4, svd_solver="full").fit(states)
    axes, ratios = principal_axes(states, 4)
    np.testing.assert_allclose(ratios, reference.explained_variance_ratio_)
    np.testing.assert_allclose(np.abs(np.sum(axes * reference.components_, axis=1)), 1.0)
    coordinates = project(axes, states, origin=states.mean(axis=0))
    np.testing.assert_allclose(np.abs(coordinates), np.abs(reference.transform(states)), atol=1e-12)


def test_axes_do_not_depend_on_the_sign_of_the_data(states):
    axes, _ = principal_axes(states, 3)
    flipped, _ = principal_axes(-states, 3)
    np.testing.assert_allclose(axes, flipped)


def test_coordinates_are_measured_from_the_origin(states):
    axes, _ = principal_axes(states, 8)
    origin = states[3]
    coordinates = project(axes, states, origin)
    np.testing.assert_allclose(coordinates[3], 0.0)
    np.testing.assert_allclose(coordinates @ axes + origin, states, atol=1e-12)


def test_pairs_are_picked_by_what_they_show():
    direction = np.array([0.1, 0.0, -0.8, 0.5])
    pair, overlaps = overlap_pair(np.eye(4), 3.0 * direction)
    assert pair.tolist() == [2, 3]
    np.testing.assert_allclose(overlaps, direction**2 / (direction @ direction))
    assert extent_pair(np.array([[0, 0, 1, 5], [3, 0, 0, 5], [0, 0, 2, 5]])).tolist() == [0, 2]


def test_few_states_and_bad_input():
    axes, ratios = principal_axes(np.array([[1.0], [2.0]]), 10)
    assert axes.tolist() == [[1.0]] and ratios.tolist() == [1.0]
    assert overlap_pair(axes, np.ones(1))[0].tolist() == [0, 0]
    assert principal_axes(np.ones((3, 2)), 2).explained_variance_ratios.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="count is 0"):
        principal_axes(np.ones((3, 2)), 0)
    with pytest.raises(ValueError, match="non-finite"):
        principal_axes(np.array([[0.0, np.nan]]), 1)
