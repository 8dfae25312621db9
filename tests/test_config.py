"""The configuration: what it resolves to, and one message for each way of getting it wrong."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lopt.config import (
    ConfigError,
    GRUSettings,
    MetaTrainingSettings,
    digest,
    merge,
    resolve,
    settings,
)

ROOT = Path(__file__).parent.parent
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
SCHEMA = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
TASK = "study/tasks/linear_regression/"
SMOKE = "scales/smoke/tasks/rosenbrock/"
ABSENT = object()


def changed(path: str, value) -> dict:
    """The project's configuration with one entry replaced, added or (ABSENT) taken away."""
    config = json.loads(json.dumps(CONFIG))  # nothing shared: YAML's aliases are one object
    node = config
    *parents, last = path.split("/")
    for part in parents:
        node = node[part]
    if value is ABSENT:
        del node[last]
    else:
        node[last] = value
    return config


# What is right.


def test_the_projects_configuration_resolves_at_every_scale():
    scales = resolve(CONFIG, SCHEMA)
    assert list(scales) == list(CONFIG["scales"])
    for study in scales.values():
        for task in study["tasks"].values():
            settings(GRUSettings, task["optimizer"])
            settings(MetaTrainingSettings, task["meta_training"])


def test_a_scale_changes_what_it_states_and_nothing_else():
    study = resolve(CONFIG, SCHEMA)["smoke"]
    changes, base = CONFIG["scales"]["smoke"], CONFIG["study"]

    def compare(resolved, base, changes):
        for key, value in resolved.items():
            if isinstance(value, dict):
                compare(value, base.get(key, {}), changes.get(key, {}))
            else:
                assert value == (changes[key] if key in changes else base[key]), key

    compare(study, base, changes)
    assert study["tasks"]["rosenbrock"]["optimizer"]["units"] == 8
    assert CONFIG["study"]["tasks"]["rosenbrock"]["optimizer"]["units"] == 256


def test_merging_shares_nothing_with_what_was_merged():
    base, change = {"a": {"b": [1]}, "c": 2}, {"a": {"d": [3]}}
    merged = merge(base, change)
    assert merged == {"a": {"b": [1], "d": [3]}, "c": 2}
    merged["a"]["b"].append(0)
    merged["a"]["d"].append(0)
    assert base == {"a": {"b": [1]}, "c": 2} and change == {"a": {"d": [3]}}


def test_a_list_is_replaced_and_a_mapping_is_merged():
    assert merge({"seeds": [0, 1]}, {"seeds": [2]}) == {"seeds": [2]}
    assert merge({"rungs": {"keep": 1}}, {"rungs": []}) == {"rungs": []}


def test_the_digest_depends_on_values_and_not_on_order():
    one = {"a": 1, "b": {"c": [1, 2], "d": 0.1}}
    assert digest(one) == digest({"b": {"d": 0.1, "c": [1, 2]}, "a": 1})
    assert (
        len({digest(one), digest(one | {"a": 2}), digest(one | {"b": {"c": [2, 1], "d": 0.1}})})
        == 3
    )
    assert digest(GRUSettings(4, 1.0, 2.0)) == digest(dataclasses.asdict(GRUSettings(4, 1.0, 2.0)))


def test_settings_name_what_is_missing_or_unknown():
    with pytest.raises(ConfigError, match=r"GRUSettings.*\['output_scale', 'scale'\].*units"):
        settings(GRUSettings, {"units": 4, "input_scale": 1.0, "scale": 1.0})


def test_a_recipe_may_leave_out_what_has_a_default():
    recipe = CONFIG["study"]["tasks"]["linear_regression"]["meta_training"]
    assert settings(MetaTrainingSettings, recipe).problem_clip is None
    study = resolve(changed(TASK + "meta_training/problem_clip", 0.5), SCHEMA)["paper"]
    recipe = study["tasks"]["linear_regression"]["meta_training"]
    assert settings(MetaTrainingSettings, recipe).problem_clip == 0.5


# What is wrong: the entry, what it becomes, the message.

WRONG = [
    ("scal", "smoke", "'(top level)': unknown key scal; allowed are scale, scales, study"),
    ("scale", "huge", "'scale': \"huge\" is not one of smoke, laptop, paper"),
    ("scale", 3, "'scale': 3 should be text"),
    ("study", ABSENT, "'(top level)': missing key study"),
    ("scales", {}, "'scales': {} is empty; at least 1 is needed"),
    ("scales/Big", {}, "'scales': \"Big\" should be of lower-case letters, digits and _"),
    ("scales/smoke", 5, "'scales.smoke': 5 should be a mapping (key: value) or nothing"),
    ("study/device", "tpu", "'study.device': \"tpu\" is not one of cpu, gpu"),
    ("study/baselines", ["sgd"], '"sgd" is not one of momentum, rmsprop, adam'),
    ("study/tasks", {}, "'study.tasks': {} is empty; at least 1 is needed"),
    (
        "study/tasks/mnist",
        {},
        "'study.tasks': unknown key mnist; allowed are linear_regression, rosenbrock, two_moons",
    ),
    (
        "scales/smoke/tasks/mnist",
        {},
        "'tasks' (scale smoke): unknown key mnist; allowed are linear_regression, rosenbrock",
    ),
    (
        SMOKE + "seeds",
        [0, 0],
        "'tasks.rosenbrock.seeds' (scale smoke): [0, 0] names an entry twice",
    ),
    (SMOKE + "sedes", [0], "'tasks.rosenbrock' (scale smoke): unknown key sedes; allowed are anal"),
    (
        TASK + "seeds",
        [],
        "'study.tasks.linear_regression.seeds': [] is empty; at least 1 is needed",
    ),
    (TASK + "seeds", 3, "seeds': 3 should be a list"),
    (TASK + "seeds", [-1], "seeds.0': -1 should be at least 0"),
    (TASK + "seeds", [2**32], "seeds.0': 4294967296 should be at most 4294967295"),
    (TASK + "steps", -1, "'study.tasks.linear_regression.steps': -1 should be at least 1"),
    (TASK + "steps", 20.0, "steps': 20.0 should be a whole number"),
    (TASK + "steps", True, "steps': true should be a whole number"),
    (TASK + "steps", "many", 'steps\': "many" should be a whole number'),
    (TASK + "optimizer/units", None, "units': null should be a whole number"),
    (TASK + "problem/dimension", 0, "problem.dimension': 0 should be at least 1"),
    (TASK + "problem/noise", 0.1, "problem': unknown key noise; allowed are dimension, log10_la"),
    (
        TASK + "problem/log10_smallest_eigenvalue",
        1.0,
        "log10_smallest_eigenvalue' (scale smoke): 1.0 should be at most log10_largest_eigenvalue",
    ),
    (TASK + "meta_training/clip", ABSENT, "meta_training': missing key clip"),
    (TASK + "meta_training/b1", 1, "b1': 1 should be less than 1"),
    (TASK + "meta_training/problem_clip", 0, "problem_clip': 0 should be greater than 0"),
    (TASK + "meta_training/averaging", 1.0, "averaging': 1.0 should be less than 1"),
    (TASK + "meta_training/learning_rate", 0, "learning_rate': 0 should be greater than 0"),
    (
        TASK + "meta_training/learning_rate",
        "1e-3",
        '"1e-3" should be a finite number; write it with a point and a sign, 1.0e-3',
    ),
    (TASK + "meta_training/epsilon", float("nan"), "epsilon': NaN should be a finite number"),
    (TASK + "meta_training/clip", float("inf"), "clip': Infinity should be a finite number"),
    (TASK + "meta_training/checkpoint_seconds", 90, "checkpoint_seconds': 90 should be at most 60"),
    (TASK + "meta_training/precision", "low", '"low" is not one of default, high, highest'),
    (
        SMOKE + "meta_training/chunk",
        7,
        "'tasks.rosenbrock.meta_training.validation_interval' (scale smoke): 10 should be a multiple "
        "of chunk (7)",
    ),
    (
        SMOKE + "meta_training/meta_steps",
        25,
        "meta_training.meta_steps' (scale smoke): 25 should be a multiple of validation_interval (10)",
    ),
    (
        SMOKE + "meta_training_problem",
        {"start_width": 1.0},
        "meta_training_problem.start_width' (scale smoke): unknown key; allowed are those of problem: "
        "start_half_width",
    ),
    (
        SMOKE + "early",
        {"seed": 0, "meta_steps": 10},
        "early.seed' (scale smoke): 0 should not be one of seeds ([0])",
    ),
    (
        SMOKE + "early",
        {"seed": 1, "meta_steps": 15},
        "early.meta_steps' (scale smoke): 15 should be a multiple of validation_interval (10)",
    ),
    (
        SMOKE + "early",
        {"seed": 1, "meta_steps": 30},
        "early.meta_steps' (scale smoke): 30 should be at most meta_training.meta_steps (20)",
    ),
    (
        SMOKE + "meta_search/rungs",
        [{"trials": 2, "meta_steps": 15}],
        "meta_search.rungs.0.meta_steps' (scale smoke): 15 should be a multiple of validation_interval",
    ),
    (
        SMOKE + "meta_search/rungs",
        [{"trials": 2, "meta_steps": 10}, {"trials": 4, "meta_steps": 20}],
        'meta_search.rungs.1\' (scale smoke): {"trials": 4, "meta_steps": 20} should have no more',
    ),
    (
        SMOKE + "tuning/rungs",
        [{"keep": 1.5, "problems": 1, "steps": 1}],
        "tuning.rungs.0.keep' (scale smoke): 1.5 should be at most 1",
    ),
    (
        SMOKE + "tuning/rungs",
        [{"keep": 0.5, "problems": 99, "steps": 1}],
        "tuning.rungs.0.problems' (scale smoke): 99 should be at most tuning.problems of the task (8)",
    ),
    (
        SMOKE + "tuning/rungs",
        [{"keep": 0.5, "problems": 1, "steps": 21}],
        "tuning.rungs.0.steps' (scale smoke): 21 should be at most steps of the task (20)",
    ),
    (
        TASK + "tuning/ranges/adam/epsilon/low",
        0.0,
        "adam.epsilon.low' (scale smoke): 0.0 should be greater than 0 on the scale log",
    ),
    (
        TASK + "tuning/ranges/adam/b1/high",
        1.0,
        "adam.b1.high' (scale smoke): 1.0 should be less than 1 on the scale log_one_minus",
    ),
    (
        TASK + "meta_search/ranges/clip/low",
        9.0,
        "meta_search.ranges.clip.low' (scale smoke): 9.0 should be less than high (1.0)",
    ),
    (
        TASK + "analysis/gradients/log10_smallest",
        2.0,
        "gradients.log10_smallest' (scale smoke): 2.0 should be less than log10_largest (1.0)",
    ),
]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    WRONG,
    ids=[f"{number}-{row[0]}" for number, row in enumerate(WRONG)],
)
def test_what_is_wrong_ends_in_one_message(path, value, message):
    with pytest.raises(ConfigError) as caught:
        resolve(changed(path, value), SCHEMA)
    text = str(caught.value)
    assert text.startswith("config key '") and message in text
    assert "\n" not in text and len(text) < 300


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", *arguments]
    return subprocess.run(
        [*command, "--directory", folder, "--cores", "1"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("overlay", "arguments", "message"),
    [
        (
            {"scales": {"smoke": {"tasks": {"rosenbrock": {"steps": -1}}}}},
            (),
            "config key 'tasks.rosenbrock.steps' (scale smoke): -1 should be at least 1",
        ),
        ({}, ("--config", "scale=huge"), "config key 'scale': \"huge\" is not one of smoke"),
    ],
)
def test_the_workflow_ends_with_the_message_and_writes_nothing(
    tmp_path, overlay, arguments, message
):
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    run = snakemake(tmp_path, *arguments, "--configfile", str(ROOT / "config.yaml"), "overlay.yaml")
    assert run.returncode != 0
    assert message in run.stdout and "Traceback" not in run.stdout
    assert run.stdout.count("config key") == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"overlay.yaml", ".snakemake"}
