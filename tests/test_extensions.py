"""A task, a baseline, a learned family and a figure are one file each: added to a copy, they run."""

import re
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml
from workflow_project import snakemake

pytestmark = pytest.mark.workflow

TASK = '''
"""A bowl: f(x) = 1/2 width ||x||^2 from x ~ N(0, I) in three dimensions."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from lopt.fields import Positive
from lopt.tasks.base import Task


class Start(NamedTuple):
    start: jax.Array


@dataclass(frozen=True)
class Bowl(Task):
    label: ClassVar[str] = "A bowl"
    width: Positive
    components: ClassVar[int] = 3

    def sample(self, key):
        return Start(jax.random.normal(key, (3,), jnp.float32))

    def init(self, problem):
        return problem.start

    def loss(self, problem, x):
        return 0.5 * self.width * jnp.sum(x * x)
'''

BASELINE = '''
"""Nesterov's momentum."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import optax

from lopt.fields import Fraction, Positive
from lopt.optimizers.base import Baseline
from lopt.optimizers.component import ComponentOptimizer


class NesterovTheta(NamedTuple):
    learning_rate: Positive
    momentum: Fraction


@dataclass(frozen=True)
class Nesterov(Baseline):
    theta_type: ClassVar[type] = NesterovTheta
    ranges: ClassVar[Mapping[str, tuple[float, float, str]]] = {
        "learning_rate": (1e-6, 0.1, "log"),
        "momentum": (0.0, 0.9, "linear"),
    }

    def component(self, theta):
        # The state is (velocity, gradient): the update looks one step ahead.
        def transition(h, g):
            return jnp.stack([theta.momentum * h[..., 0] + g, g], axis=-1)

        def readout(h):
            return -theta.learning_rate * (theta.momentum * h[..., 0] + h[..., 1])

        return ComponentOptimizer(jnp.zeros(2), transition, readout)

    def build(self, theta):
        return optax.sgd(theta.learning_rate, momentum=theta.momentum, nesterov=True)
'''

FAMILY = '''
"""A leaky integrator with a learned leak, rate and start."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from lopt.fields import Count, Positive
from lopt.learned.base import LearnedFamily
from lopt.optimizers.component import ComponentOptimizer


class LeakyTheta(NamedTuple):
    initial_state: jax.Array
    leaks: jax.Array
    rates: jax.Array


@dataclass(frozen=True)
class Leaky(LearnedFamily):
    theta_type: ClassVar[type] = LeakyTheta
    label: ClassVar[str] = "Leaky integrator"
    sizes: ClassVar[tuple[str, ...]] = ("modes",)
    modes: Count = 2
    output_scale: Positive = 0.1

    def init(self, key):
        leaks = jax.random.normal(key, (self.modes,), jnp.float32)
        return LeakyTheta(jnp.zeros(self.modes), leaks, jnp.zeros(self.modes))

    def component(self, theta):
        def transition(h, g):
            return jax.nn.sigmoid(theta.leaks) * h + g[..., None]

        def readout(h):
            return -self.output_scale * (h @ theta.rates)

        return ComponentOptimizer(theta.initial_state, transition, readout)
'''

FIGURE = '''
"""Mean final losses, one bar a task."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

TITLE = "Toy"
CAPTION = "Final losses."
READS = ("losses",)


def read(results):
    return {task: float(results.evaluation(task).losses[..., -1].mean()) for task in results.tasks}


def draw(data):
    figure = Figure()
    figure.subplots().bar(list(data), list(data.values()))
    return figure


def numbers(data):
    return pd.DataFrame({"task": list(data), "final_loss": np.array(list(data.values()))})
'''

FILES = {
    "lopt/tasks/bowl.py": TASK,
    "lopt/optimizers/nesterov.py": BASELINE,
    "lopt/learned/leaky.py": FAMILY,
    "lopt/figures/fig9_toy.py": FIGURE,
}
# What an optimizer is made of is chosen, not found: this one task trains the new family. Its width has no
# default, and the study says nothing of it.
FAMILY_OF_THE_TASK = {
    "scales": {
        "smoke": {
            "settings": {"bowl": {"problem": {"width": 0.5}, "optimizer": {"family": "leaky"}}}
        }
    }
}
# The new task beside one of the paper's, the new baseline beside one of them: every stage, in half the time.
ALL_STAGES = {
    "scales": {
        "smoke": {
            "tasks": ["bowl", "linear_regression"],
            "baselines": ["momentum", "nesterov"],
            **FAMILY_OF_THE_TASK["scales"]["smoke"],
        }
    }
}
ONLY_THE_PAPERS = {
    "scales": {
        "smoke": {
            "tasks": ["digits", "linear_regression", "rosenbrock", "two_moons"],
            "baselines": ["adam", "momentum", "rmsprop"],
        }
    }
}


@pytest.fixture(scope="module")
def extended(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished project, elsewhere, with one new file of each kind."""
    folder = tmp_path_factory.mktemp("extended") / "a copy"
    shutil.copytree(finished, folder, symlinks=True)
    for name, text in FILES.items():
        assert not (folder / name).exists()
        (folder / name).write_text(text)
    return folder


def planned(folder: Path, *arguments: str, over: dict | None = None) -> Counter[tuple[str, str]]:
    """What a dry run would do: (rule, what it is about)."""
    if over is not None:
        path = folder.parent / "over.yaml"
        path.write_text(yaml.safe_dump(over))
        arguments = ("--configfile", "config.yaml", str(path), *arguments)
    run = snakemake(folder, "--dry-run", *arguments)
    assert run.returncode == 0, run.stdout
    blocks = re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", run.stdout, re.MULTILINE)
    jobs: Counter[tuple[str, str]] = Counter()
    for rule, block in blocks:
        about = re.findall(r"\b(?:task|optimizer|figure)=(\w+)", block)
        jobs[rule, " ".join(about)] += 1
    return jobs


def test_a_new_file_reruns_nothing(extended: Path) -> None:
    jobs = planned(extended, "--config", "scale=smoke", over=ONLY_THE_PAPERS)
    # The figure is new, not run anew; "all" asks for it.
    assert set(jobs) <= {("draw", "fig9_toy"), ("all", "")}


def test_what_is_new_is_planned_and_nothing_that_was_computed(extended: Path) -> None:
    jobs = planned(extended, "--config", "scale=smoke", over=FAMILY_OF_THE_TASK)
    assert jobs["meta_train", "bowl"] == 1 and jobs["analyze", "bowl"] == 1
    assert jobs["tune", "rosenbrock nesterov"] == 1 and jobs["tune", "bowl adam"] == 1
    assert jobs["draw", "fig9_toy"] == 1
    for (rule, about), _ in jobs.items():
        if rule in ("meta_train", "analyze", "portray", "select"):
            assert about == "bowl", (rule, about)
        if rule == "tune":
            assert "bowl" in about or "nesterov" in about, (rule, about)
        assert rule != "validate"


def test_other_scales_still_plan(extended: Path) -> None:
    jobs = planned(extended, "--config", "scale=released", "--rerun-triggers", "mtime")
    assert jobs["take_optimizer", "rosenbrock"] == 5
    assert not any("bowl" in about or "nesterov" in about for _, about in jobs)


def test_the_smoke_run_includes_them(extended: Path) -> None:
    over = extended.parent / "over.yaml"
    over.write_text(yaml.safe_dump(ALL_STAGES))
    configuration = ("--config", "scale=smoke", "--configfile", "config.yaml", str(over))
    run = snakemake(extended, *configuration)
    assert run.returncode == 0, run.stdout[-5000:]
    results = extended / "results/smoke"
    drawn = pd.read_csv(results / "figures/fig9_toy.csv")
    assert set(drawn["task"]) == {"bowl", "linear_regression"}
    summary = pd.read_csv(results / "evaluation/bowl/summary.csv")
    assert set(summary["optimizer"]) == {"learned", "momentum", "nesterov"}
    claims = pd.read_csv(results / "claims.csv", dtype=str, keep_default_na=False)
    asked = claims[claims["task"] == "bowl"].set_index("quantity")
    assert set(asked["published"]) == {""} and len(asked) > 20
    assert asked.loc[
        "the learned optimizer beats tuned momentum on the meta-objective", "ours"
    ] in (
        "yes",
        "no",
    )
    shown = pd.read_csv(results / "figures/fig5_learning_rate_adaptation.csv")
    assert "bowl" in set(shown["task"])
