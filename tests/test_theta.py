"""A theta may be any pytree of float32 arrays: trained, stored, exported, read from elsewhere, the same."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lopt
from lopt.learned import stored as optimizers
from lopt.learned.base import LearnedFamily
from lopt.learned.theta import is_flat, named, shaped
from lopt.meta_training.loop import Training, meta_train
from lopt.meta_training.outcome import store_trained
from lopt.meta_training.recipes import make_recipe
from lopt.optimizers.component import ComponentOptimizer
from lopt.records import store
from lopt.records.store import StoreError
from lopt.tasks.linear_regression import LinearRegression

QUICK = {
    "meta_steps": 20,
    "problems": 4,
    "learning_rate": 0.05,
    "validation_problems": 8,
    "validation_interval": 10,
}


@dataclass(frozen=True)
class Layered(LearnedFamily):
    """Momentum behind a list of gains: its theta is a dict with a list."""

    theta_type: ClassVar[type] = dict
    label: ClassVar[str] = "layered"
    sizes: ClassVar[tuple[str, ...]] = ("layers",)
    layers: int = 2

    def init(self, key):
        gains = jax.random.uniform(key, (self.layers,), jnp.float32, 0.1, 0.2)
        return {"layers": [{"gain": gain} for gain in gains], "decay": jnp.float32(0.5)}

    def component(self, theta):
        gain = sum(layer["gain"] for layer in theta["layers"])

        def transition(h, g):
            return theta["decay"] * h - gain * g[..., None]

        return ComponentOptimizer(jnp.zeros(1, jnp.float32), transition, lambda h: h[..., 0])


NAMES = ["decay", "layers.0.gain", "layers.1.gain"]


@pytest.fixture
def family(monkeypatch):
    monkeypatch.setattr(optimizers, "make_family", lambda settings: Layered(settings["layers"]))
    return Layered()


def test_a_nested_theta_is_trained_stored_and_exported(family, tmp_path):
    training = Training(LinearRegression(2), family, make_recipe("laptop", QUICK).settings, 5)
    state = meta_train(training, 0)
    path, again = tmp_path / "theta.npz", tmp_path / "again.npz"
    facts = {
        "task": "linear_regression",
        "seed": 0,
        "optimizer": {"family": "layered", "layers": 2},
    }
    store_trained(path, tmp_path / "curve.csv", training, 0, state, [], facts)
    with np.load(path) as file:
        assert sorted(file.files) == [*NAMES, "metadata"]
    optimizers.export_safetensors(path, tmp_path / "theta.safetensors")
    optimizers.import_safetensors(tmp_path / "theta.safetensors", again)
    assert again.read_bytes() == path.read_bytes()
    for place in (path, tmp_path / "theta.safetensors"):
        _, theta, metadata = lopt.load_optimizer(place)
        assert metadata["seed"] == 0
        assert jax.tree.structure(theta) == jax.tree.structure(state.best_theta)
        assert jax.tree.all(jax.tree.map(np.array_equal, theta, state.best_theta))
    read = lopt.read_weights(tmp_path / "theta.safetensors", family)
    assert named(read).keys() == set(NAMES)
    assert float(read["layers"][1]["gain"]) == float(state.best_theta["layers"][1]["gain"])


def test_a_file_that_is_not_of_the_theta_is_refused(family, tmp_path):
    theta, path = family.init(jax.random.key(0)), tmp_path / "theta.npz"
    facts = {"optimizer": {"family": "layered", "layers": 3}}
    optimizers.save_optimizer(path, theta, facts)
    with pytest.raises(StoreError, match=r"theta.npz: has the arrays .* expected .*layers.2.gain"):
        lopt.load_optimizer(path)
    facts["optimizer"]["layers"] = 2
    optimizers.save_optimizer(
        path, jax.tree.map(lambda leaf: np.asarray(leaf, float), theta), facts
    )
    with pytest.raises(StoreError, match=r"theta.npz: decay is float64, expected float32"):
        lopt.load_optimizer(path)
    store.save_named(path, "list", named(theta), facts)
    with pytest.raises(StoreError, match=r"holds list .*, expected dict"):
        lopt.load_optimizer(path)


def test_names_lead_to_the_arrays_and_back():
    theta = {"layers": [jnp.ones(2), (jnp.zeros(3), 4.0)]}
    found = named(theta)
    assert list(found) == ["layers.0", "layers.1.0", "layers.1.1"]
    assert jax.tree.structure(shaped(theta, found)) == jax.tree.structure(theta)
    assert named(3.0) == {"theta": 3.0}
    assert is_flat(lopt.GRU(2).init(jax.random.key(0))) and not is_flat(theta)
    with pytest.raises(ValueError, match=r"two arrays called a\.b; rename one"):
        named({"a": {"b": 1.0}, "a.b": 2.0})
    with pytest.raises(StoreError, match="no array can be called 'metadata'"):
        store.save_named("unwritten.npz", "dict", {"metadata": np.ones(2)})
    with pytest.raises(StoreError, match="name holds Python objects, expected numbers"):
        store.save_named("unwritten.npz", "dict", {"name": np.array([object()])})
