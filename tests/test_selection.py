"""Which seed the figures show."""

import math

import pytest

from lopt.meta_training.selection import select
from lopt.records import store


def test_the_lowest_validation_meta_objective_is_selected():
    assert select({0: 0.05, 3: 0.04, 1: 0.06}) == {
        "selected": 3,
        "criterion": "validation meta-objective",
        "ranking": [
            {"seed": 3, "meta_objective": 0.04},
            {"seed": 0, "meta_objective": 0.05},
            {"seed": 1, "meta_objective": 0.06},
        ],
    }


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]])
def test_seeds_that_never_validated_come_last_whatever_the_order(order):
    """Comparing with nan would leave the order of the rest to chance."""
    values = {0: math.nan, 1: 0.2, 2: math.inf, 3: 0.1}
    ranking = select({seed: values[seed] for seed in order})["ranking"]
    assert [entry["seed"] for entry in ranking] == [3, 1, 2, 0]


def test_the_selection_can_be_stored(tmp_path):
    selection = select({0: math.inf, 1: 0.1})
    store.save_json(tmp_path / "selection.json", selection)
    assert store.load_json(tmp_path / "selection.json") == selection


def test_no_seed_is_an_error():
    with pytest.raises(ValueError, match="no seed to select from"):
        select({})
