"""The configuration: what it resolves to, and one message for each way of getting it wrong."""

import copy
import datetime
import functools
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from fuzz.configuration import ANYTHING, ITSELF, Refuses, attempt

from lopt import config_schema, registry
from lopt.config import ConfigError, MetaTrainingSettings, digest, merge, resolve, settings
from lopt.config_check import contradictions, range_contradictions, schema_error
from lopt.config_files import check_files
from lopt.config_schema import Schemas
from lopt.learned import make_family
from lopt.meta_training.gradient import unroll_bytes
from lopt.parameters import FactsError
from lopt.tasks import make_task
from lopt.unroll_memory import block_lengths

ROOT = Path(__file__).parent.parent
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
SCHEMA = Schemas()
EVERY = "study/every_task/"
TASK = "study/settings/linear_regression/"
SMOKE = "scales/smoke/settings/rosenbrock/"
ABSENT = object()


@pytest.fixture(scope="module", autouse=True)
def facts_read_once():
    """The files of tasks, families and baselines stay what they are meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "read_facts", functools.cache(registry.read_facts))
        yield


def changed(path: str, value, config: dict = CONFIG) -> dict:
    """The project's configuration with one entry replaced, added or (ABSENT) taken away."""
    config = copy.deepcopy(config)
    node = config
    *parents, last = path.split("/")
    for part in parents:
        node = node.setdefault(part, {})
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
            make_family(task["optimizer"])
            settings(MetaTrainingSettings, task["meta_training"])


def test_later_parts_win_over_earlier_ones():
    config = changed(EVERY + "steps", 100)
    config = changed(TASK + "steps", 50, config)
    assert steps(config, "smoke") == [20, 20, 20, 20]  # the scale's every_task
    assert steps(config, "paper") == [50, 100, 100, 100]
    config = changed("scales/smoke/settings/two_moons/steps", 10, config)
    assert steps(config, "smoke") == [20, 20, 20, 10]


def steps(config: dict, scale: str) -> list[int]:
    return [task["steps"] for task in resolve(config, SCHEMA)[scale]["tasks"].values()]


def test_what_no_part_states_has_the_default_of_its_file():
    config = changed(TASK + "problem", ABSENT)
    task = resolve(config, SCHEMA)["paper"]["tasks"]["linear_regression"]
    assert task["problem"]["dimension"] == 5
    assert task["tuning"]["ranges"]["adam"]["b2"]["high"] == 0.999


def test_a_scale_lists_its_tasks_and_baselines():
    study = resolve(changed("scales/smoke/tasks", ["rosenbrock"]), SCHEMA)["smoke"]
    assert list(study["tasks"]) == ["rosenbrock"]
    study = resolve(changed("scales/smoke/baselines", ["adam"]), SCHEMA)["smoke"]
    assert study["baselines"] == ["adam"]
    assert list(study["tasks"]["rosenbrock"]["tuning"]["ranges"]) == ["adam"]


def test_another_family_keeps_of_the_settings_what_it_knows():
    study = resolve(changed(SMOKE + "optimizer", {"family": "lstm", "layers": 1}), SCHEMA)["smoke"]
    assert study["tasks"]["rosenbrock"]["optimizer"] == {
        "family": "lstm",
        "units": 8,
        "layers": 1,
        **CONFIG["study"]["settings"]["rosenbrock"]["optimizer"],  # its scales
    }


@pytest.mark.parametrize(
    "value",
    [(1e-4, 1.0), (1.0, 1e-4, "log"), (0.0, 1.0, "log"), (0.0, 1.0, "sqrt"), ("a", 1.0, "log")],
)
def test_a_search_range_that_is_none_is_named_with_its_file(monkeypatch, value):
    facts = SimpleNamespace(path=Path("lion.py"), constant=lambda _: {"rate": value})
    monkeypatch.setattr(config_schema, "BASELINES", SimpleNamespace(facts=lambda _: facts))
    with pytest.raises(
        FactsError, match=r"lion.py: ranges: rate is .*, expected \(low, high, scale\)"
    ):
        config_schema.default_ranges(["lion"])


def test_an_early_optimizer_and_a_search_ask_nothing_of_a_variant():
    place = "scales/smoke/settings/linear_regression/"
    config = changed(place + "early", {"seed": 7, "meta_steps": 10})
    for change in (
        {"seeds": [0, 7]},
        {"meta_training": {"meta_steps": 5, "validation_interval": 5}},
        {"meta_training": {"validation_interval": 20}},
    ):
        varied = changed(place + "variants", {"other": change}, config)
        variants = resolve(changed("scale", "smoke", varied), SCHEMA)["smoke"]["tasks"]
        assert "other" in variants["linear_regression"]["variants"]
    config = changed(place + "early", {"seed": 0, "meta_steps": 10}, config)
    with pytest.raises(ConfigError, match=r"early.seed': 0 should not be one of seeds"):
        resolve(changed("scale", "smoke", config), SCHEMA)["smoke"]


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


def test_settings_name_what_is_missing_or_unknown():
    recipe = {**CONFIG["study"]["every_task"]["meta_training"], "scale": 1.0}
    del recipe["clip"]
    with pytest.raises(ConfigError, match=r"MetaTrainingSettings.*\['clip', 'scale'\].*averaging"):
        settings(MetaTrainingSettings, recipe)


def test_a_recipe_may_leave_out_what_has_a_default():
    recipe = CONFIG["study"]["every_task"]["meta_training"]
    assert settings(MetaTrainingSettings, recipe).problem_clip is None
    study = resolve(changed(TASK + "meta_training/problem_clip", 0.5), SCHEMA)["paper"]
    recipe = study["tasks"]["linear_regression"]["meta_training"]
    assert settings(MetaTrainingSettings, recipe).problem_clip == 0.5


def test_what_lies_on_a_bound_is_told_from_what_is_beyond():
    task = copy.deepcopy(resolve(CONFIG, SCHEMA)["smoke"]["tasks"]["linear_regression"])
    training, tuning = task["meta_training"], task["tuning"]
    ordered = (("log10_smallest_eigenvalue", "log10_largest_eigenvalue"),)
    known = SimpleNamespace(constants={"ordered": ordered})
    # Allowed: an early optimizer of the last meta-step, rungs as large as the search, as many trials
    # as the rung before, a pool of the search, eigenvalues of one size.
    task["early"] = {"seed": 9, "meta_steps": training["meta_steps"]}
    interval = training["validation_interval"]
    rungs = [{"trials": 4, "meta_steps": interval}, {"trials": 4, "meta_steps": 2 * interval}]
    task["meta_search"]["rungs"] = rungs
    tuning["rungs"] = [{"keep": 0.5, "problems": tuning["problems"], "steps": task["steps"]}]
    tuning["pool"] = tuning["samples"]
    task["problem"] |= dict.fromkeys(ordered[0], 0.5)
    assert list(contradictions(task, known)) == []
    # Refused: a rung no longer than the one before, and a range of gradients without extent.
    rungs[1]["meta_steps"] = interval
    gradients = task["analysis"]["gradients"]
    gradients["log10_smallest"] = gradients["log10_largest"]
    keys = [key for key, _ in contradictions(task, known)]
    assert keys == ["meta_search.rungs.1", "analysis.gradients.log10_smallest"]


@pytest.mark.parametrize(
    ("low", "high", "scale", "keys"),
    [
        (1.0, 1.0, "linear", ["range.x.low"]),
        (0.0, 1.0, "log", ["range.x.low"]),
        (0.0, 1.0, "log_one_minus", ["range.x.high"]),
        (0.0, 1.0, "linear", []),
    ],
)
def test_a_search_range_has_an_extent_and_ends_on_its_scale(low, high, scale, keys):
    found = range_contradictions("range", {"x": {"low": low, "high": high, "scale": scale}})
    assert [key for key, _ in found] == keys


def test_whole_numbers_have_64_bits():
    assert schema_error(2**63 - 1, {"type": "integer"}) is None
    key, told = schema_error(2**63, {"type": "integer"})
    assert key == "(top level)" and told.endswith("should be a whole number of 64 bits")


def test_the_memory_of_meta_training_is_that_of_its_own_problem():
    """Of 30 components where the task has 5."""
    path = "scales/smoke/settings/linear_regression/"
    config = changed(path + "meta_training/memory_budget_gb", 1e-6)
    assert "problems of 30 components" in complaint(
        changed(path + "meta_training_problem", {"dimension": 30}, config)
    )


# What is wrong: the entry, what it becomes, the message.

WRONG = [
    ("scal", "smoke", "'(top level)': unknown key scal; allowed are scale, scales, study"),
    ("scale", "huge", "'scale': \"huge\" is not one of smoke, laptop, census, paper"),
    ("scale", 3, "'scale': 3 should be text"),
    ("study", ABSENT, "'(top level)': missing key study"),
    ("scales", {}, "'scales': {} is empty; at least 1 is needed"),
    ("scales/Big", {}, "'scales': \"Big\" should be of lower-case letters, digits and _"),
    ("scales/smoke", 5, "'scales.smoke': 5 should be a mapping (key: value)"),
    ("study/device", "tpu", "'study.device': \"tpu\" is not one of cpu, gpu"),
    ("study/device", ABSENT, "'study': missing key device"),
    (
        "study/baselines",
        ["sgd"],
        "'study.baselines.0': \"sgd\" is not one of adam, momentum, rmsprop",
    ),
    ("study/tasks", [], "'study.tasks': [] is empty; at least 1 is needed"),
    ("study/tasks", "most", "'study.tasks': \"most\" should be a list of names, or all"),
    (
        "study/tasks",
        {"rosenbrock": {}},
        "'study.tasks': {\"rosenbrock\": {}} should be a list of names, or all",
    ),
    (
        "scales/smoke/tasks",
        ["mnist"],
        "'scales.smoke.tasks.0': \"mnist\" is not one of digits",
    ),
    (
        "study/settings/mnist",
        {},
        "'study.settings': unknown key mnist; allowed are digits, linear_regression, rosenbrock, two_moons",
    ),
    (
        "scales/smoke/settings/mnist",
        {},
        "'scales.smoke.settings': unknown key mnist; allowed are digits, linear_regression",
    ),
    (
        SMOKE + "seeds",
        [0, 0],
        "'scales.smoke.settings.rosenbrock.seeds': [0, 0] names an entry twice",
    ),
    (
        SMOKE + "sedes",
        [0],
        "'scales.smoke.settings.rosenbrock': unknown key sedes; allowed are anal",
    ),
    ("scales/smoke/every_task/steps", 0, "'scales.smoke.every_task.steps': 0 should be at least 1"),
    (EVERY + "problem", {"dimension": 5}, "'study.every_task.problem': unknown key dimension; "),
    (
        TASK + "seeds",
        [],
        "'study.settings.linear_regression.seeds': [] is empty; at least 1 is needed",
    ),
    (TASK + "seeds", 3, "seeds': 3 should be a list"),
    (TASK + "seeds", [-1], "seeds.0': -1 should be at least 0"),
    (TASK + "seeds", [2**32], "seeds.0': 4294967296 should be at most 4294967295"),
    (TASK + "steps", -1, "'study.settings.linear_regression.steps': -1 should be at least 1"),
    (TASK + "steps", 20.0, "steps': 20.0 should be a whole number"),
    (TASK + "steps", True, "steps': true should be a whole number"),
    (TASK + "steps", "many", 'steps\': "many" should be a whole number'),
    (TASK + "optimizer/units", None, "units': null should be a whole number"),
    (
        TASK + "optimizer/units",
        0,
        "'study.settings.linear_regression.optimizer.units': 0 should be at le",
    ),
    (TASK + "optimizer/family", "transformer", 'family\': "transformer" is not one of gru, lstm'),
    (
        TASK + "optimizer/layers",
        2,
        "optimizer': unknown key layers; allowed are family, input_scale",
    ),
    (TASK + "problem/dimension", 0, "problem.dimension': 0 should be at least 1"),
    (TASK + "problem/noise", 0.1, "problem': unknown key noise; allowed are dimension, log10_la"),
    (
        TASK + "problem/log10_smallest_eigenvalue",
        1.0,
        "'study.settings.linear_regression.problem.log10_smallest_eigenvalue': 1.0 should be at most "
        "log10_largest_eigenvalue",
    ),
    (EVERY + "meta_training/clip", ABSENT, "meta_training': missing key clip"),
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
    (
        TASK + "meta_training/precision",
        "low",
        '"low" is not one of default, high, BF16_BF16_F32_X3, highest',
    ),
    (
        SMOKE + "meta_training/chunk",
        7,
        "'scales.smoke.every_task.meta_training.validation_interval': 10 should be a multiple "
        "of chunk (7)",
    ),
    (
        SMOKE + "meta_training/meta_steps",
        25,
        "rosenbrock.meta_training.meta_steps': 25 should be a multiple of validation_interval (10)",
    ),
    (
        SMOKE + "meta_training_problem",
        {"start_width": 1.0},
        "meta_training_problem': unknown key start_width; allowed are start_half_width",
    ),
    (
        SMOKE + "meta_training_problem",
        {"start_half_width": -1.0},
        "meta_training_problem.start_half_width': -1.0 should be greater than 0",
    ),
    (
        SMOKE + "early",
        {"seed": 0, "meta_steps": 10},
        "early.seed': 0 should not be one of seeds [0]",
    ),
    (
        SMOKE + "early",
        {"seed": 1, "meta_steps": 15},
        "early.meta_steps': 15 should be a multiple of validation_interval (10)",
    ),
    (
        SMOKE + "early",
        {"seed": 1, "meta_steps": 30},
        "early.meta_steps': 30 should be at most meta_training.meta_steps (20)",
    ),
    (
        SMOKE + "meta_search/rungs",
        [{"trials": 2, "meta_steps": 15}],
        "meta_search.rungs.0.meta_steps': 15 should be a multiple of validation_interval",
    ),
    (
        SMOKE + "meta_search/rungs",
        [{"trials": 2, "meta_steps": 10}, {"trials": 4, "meta_steps": 20}],
        'meta_search.rungs.1\': {"trials": 4, "meta_steps": 20} should have no more',
    ),
    (
        SMOKE + "meta_search/ranges/units",
        {"low": 2, "high": 4, "scale": "log"},
        "unknown key units; allowed",
    ),
    (
        SMOKE + "tuning/rungs",
        [{"keep": 1.5, "problems": 1, "steps": 1}],
        "tuning.rungs.0.keep': 1.5 should be at most 1",
    ),
    (
        SMOKE + "tuning/rungs",
        [{"keep": 0.5, "problems": 99, "steps": 1}],
        "tuning.rungs.0.problems': 99 should be at most tuning.problems of the task (8)",
    ),
    (
        SMOKE + "tuning/rungs",
        [{"keep": 0.5, "problems": 1, "steps": 21}],
        "tuning.rungs.0.steps': 21 should be at most steps of the task (20)",
    ),
    (
        TASK + "tuning/ranges/adam/epsilon/low",
        0.0,
        "adam.epsilon.low': 0.0 should be greater than 0",
    ),
    (TASK + "tuning/ranges/adam/b1/high", 1.0, "adam.b1.high': 1.0 should be less than 1"),
    (
        TASK + "tuning/ranges/adam/b3",
        {},
        "tuning.ranges.adam': unknown key b3; allowed are b1, b2, eps",
    ),
    (TASK + "tuning/ranges/sgd", {}, "tuning.ranges': unknown key sgd; allowed are adam, momentum"),
    (
        EVERY + "meta_search/ranges/b1/high",
        1.5,
        "'study.every_task.meta_search.ranges.b1.high': 1.5 should be less than 1",
    ),
    (
        TASK + "meta_search/ranges/clip/low",
        9.0,
        "meta_search.ranges.clip.low': 9.0 should be less than high (1.0)",
    ),
    # What was left empty, as when all its lines are commented out.
    ("scales/laptop", None, "'scales.laptop': is empty: write {} for no changes"),
    ("scales/smoke/every_task", None, "'scales.smoke.every_task': is empty: write {}"),
    ("scales/smoke/settings", None, "'scales.smoke.settings': is empty: write {}"),
    ("scales/smoke/settings/rosenbrock", None, "smoke.settings.rosenbrock': is empty: write {}"),
    (TASK + "meta_training", None, "regression.meta_training': is empty: write {}"),
    ("study", None, "'study': is empty: write {}"),
    # Names of scales that YAML takes for something else, or that no folder should have.
    ("scales/1", {}, "'scales': \"1\" should be of lower-case letters, digits and _"),
    ("scales/big\n", {}, "'scales': \"big\\n\" should be of lower-case letters, digits and _"),
    ("scales/" + "a" * 65, {}, "should be of at most 64 characters"),
    ("scale", True, "'scale': true should be text"),
    ("scale", datetime.date(2026, 1, 1), "'scale': 2026-01-01 (a date) should be text"),
    ("scales", {1: {}}, "'scales': the key 1 should be text: put it in quotation marks"),
    ("scales", {True: {}}, "YAML takes on, off, yes and no for true and false"),
    # What no part states.
    (EVERY + "optimizer/family", ABSENT, "optimizer': missing key family"),
    ("study/every_task", {}, "'study.every_task': missing key "),
    (EVERY + "meta_search", ABSENT, "missing key "),
    # Settings of meta-training's problem and search ranges have the bounds of their keys.
    (
        "scales/smoke/settings/linear_regression/meta_training_problem",
        {"dimension": -5},
        "meta_training_problem.dimension': -5 should be at least 1",
    ),
    (
        "scales/smoke/settings/linear_regression/meta_training_problem",
        {"log10_smallest_eigenvalue": float("nan")},
        "log10_smallest_eigenvalue': NaN should be a finite number",
    ),
    (
        "scales/smoke/settings/linear_regression/meta_training_problem",
        {"log10_smallest_eigenvalue": 1.0},
        "meta_training_problem.log10_smallest_eigenvalue': 1.0 should be at most",
    ),
    (EVERY + "meta_search/ranges/b1/high", 5.0, "ranges.b1.high': 5.0 should be less than 1"),
    (EVERY + "meta_search/ranges/b1/low", float("nan"), "b1.low': NaN should be a finite number"),
    (EVERY + "meta_search/ranges/clip/low", 0, "clip.low': 0 should be greater than 0"),
    (EVERY + "meta_search/ranges/decay_steps/low", 0.5, "low': 0.5 should be a whole number"),
    (
        EVERY + "meta_search/ranges/learning_rate",
        {"low": -1.0, "high": 1.0, "scale": "linear"},
        "ranges.learning_rate.low': -1.0 should be greater than 0",
    ),
    (TASK + "tuning/ranges/adam/b1/high", 5.0, "adam.b1.high': 5.0 should be less than 1"),
    (
        TASK + "tuning/ranges/momentum/momentum",
        {"low": 0.0, "high": 0.9, "scale": "log"},
        "momentum.momentum.low': 0.0 should be greater than 0 on the scale log",
    ),
    (
        TASK + "tuning/ranges/adam/learning_rate",
        {"low": -1.0, "high": 1.0, "scale": "linear"},
        "adam.learning_rate.low': -1.0 should be greater than 0",
    ),
    # Sizes that nothing can run, and a budget that no division into blocks can meet.
    (TASK + "optimizer/units", 10**12, "units': 1000000000000 should be at most 65536"),
    (TASK + "problem/dimension", 10**9, "dimension': 1000000000 should be at most 65536"),
    (TASK + "evaluation/problems", 10**12, "problems': 1000000000000 should be at most 16777216"),
    (TASK + "steps", 10**8, "steps': 100000000 should be at most 1000000"),
    (
        "study/settings/two_moons/problem/points",
        10**12,
        "points': 1000000000000 should be at most 1000000",
    ),
    (
        "study/settings/two_moons/problem/hidden_widths",
        [64, 10**6],
        "hidden_widths.1': 1000000 should be at most 65536",
    ),
    (
        SMOKE + "meta_training/memory_budget_gb",
        1.0e-6,
        "memory_budget_gb': 1e-06 should be at least 7.36e-06: 4 problems of 2 components",
    ),
    (
        "scales/paper/settings/two_moons/meta_training/problems",
        16 * 64,
        "two_moons.meta_training.memory_budget_gb' (scale paper): 60.0 should be at least 591: 1024 ",
    ),
    # Values inside a value of --config arrive as text.
    (TASK + "steps", "5", '"5" should be a whole number; in quotation marks, or inside a value of'),
    (TASK + "seeds", ["0", "1"], "inside a value of --config, it is text: use --configfile"),
    (TASK + "early", "null", "it is text: use --configfile"),
    ("study", "{device: gpu", "it is text: use --configfile"),
    (TASK + "meta_training/clip", "inf", '"inf" should be a finite number'),
    (
        TASK + "analysis/gradients/log10_smallest",
        2.0,
        "gradients.log10_smallest': 2.0 should be less than log10_largest (1.0)",
    ),
    (
        TASK + "interventions/parts",
        129,
        "interventions.parts': 129 should be at most the number of problems (128)",
    ),
]


def complaint(config) -> str:
    """What is said of a configuration that is wrong, at one of its scales."""
    with pytest.raises(ConfigError) as caught:
        dict(resolve(config, SCHEMA))
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    WRONG,
    ids=[f"{number}-{row[0]}" for number, row in enumerate(WRONG)],
)
def test_what_is_wrong_ends_in_one_message(path, value, message):
    text = complaint(changed(path, value))
    assert text.startswith("config key '") and message in text
    assert "\n" not in text and len(text) < 300


# What YAML and Python can give: never anything but one message.

PLACES = [
    "scale",
    "study",
    "scales",
    "scales/smoke",
    "scales/smoke/every_task",
    "scales/smoke/weights",
    "study/device",
    "study/tasks",
    "study/settings",
    TASK + "steps",
    TASK + "seeds",
    TASK + "early",
    TASK + "problem",
    TASK + "problem/log10_smallest_eigenvalue",
    TASK + "optimizer",
    TASK + "optimizer/family",
    TASK + "meta_training/learning_rate",
    TASK + "tuning/rungs",
    TASK + "tuning/ranges/adam/b1",
    SMOKE + "meta_training_problem",
]
FINE = {  # what may stand there
    "empty": [
        "scales/smoke",
        "scales/smoke/every_task",
        "study/settings",
        TASK + "problem",
        TASK + "optimizer",
        TASK + "tuning/ranges/adam/b1",
        SMOKE + "meta_training_problem",
    ],
    "nothing": ["scales/smoke/weights", TASK + "early", SMOKE + "meta_training_problem"],
    "pair": [TASK + "seeds"],
    "1e400 as text": ["scales/smoke/weights"],
    "nan as text": ["scales/smoke/weights"],
    "2**63": [TASK + "meta_training/learning_rate"],
}


@pytest.mark.parametrize("place", PLACES)
def test_anything_anywhere_ends_in_one_message(place):
    for name, value in ANYTHING.items():
        if place not in FINE.get(name, ()):
            text = complaint(replaced(place, value))
            assert text.startswith("config key '"), (name, text)
            assert text.isprintable() and len(text) < 300, (name, text)


def replaced(path: str, value) -> dict:
    """As ``changed``, the value itself in place, not a copy, which may be impossible."""
    config = changed(path, 0)
    *parents, last = path.split("/")
    node = config
    for part in parents:
        node = node[part]
    node[last] = value
    return config


@pytest.mark.parametrize("config", [None, [], "study", 3, {}, Refuses(), {1: 2}, ITSELF])
def test_a_configuration_that_is_none_ends_in_one_message(config):
    assert complaint(config).startswith("config key '")


@pytest.mark.parametrize("seed", range(20))
def test_mutations_of_the_configuration_end_in_one_message(seed, tmp_path):
    attempt(np.random.default_rng(seed), tmp_path)


def test_a_key_twice_is_told_with_its_lines(tmp_path):
    path = tmp_path / "mine.yaml"
    for text, message in [
        ("a: 1\nb: 2\na: 3\n", "config key 'a': mine.yaml has it twice, in line 1 and in line 3"),
        ("b:\n  - {a: 1,\n     'a': 2}\n", "config key 'b.0.a': mine.yaml has it twice, in line 2"),
        ('{"a":\t1, "b": {"c": 1, "c": 2}}', "config key '"),  # no YAML: it has a tab
    ]:
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            check_files([path])
        assert str(caught.value).startswith(message) and str(caught.value).isprintable()
    for text in [
        "",
        "a: &b {c: 1}\nd:\n  <<: *b\n  <<: *b\n",
        "a: &a [*a]\n",
        "[" * 9999,
        "\ta: :",
    ]:
        path.write_text(text)
        check_files([path])
    check_files([ROOT / "config.yaml", tmp_path / "missing.yaml"])


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_the_budget_that_planning_asks_for_is_the_least_that_training_takes(scale):
    """Never more than the job needs, and hardly less: a network's inputs and outputs are its file's alone."""
    path = f"scales/{scale}/every_task/meta_training/memory_budget_gb"
    config = changed(path, 1e-9)
    for task in CONFIG["study"]["tasks"]:
        own = changed(f"scales/{scale}/tasks", [task], config)
        own = changed(f"scales/{scale}/settings/{task}/meta_training/memory_budget_gb", 1e-9, own)
        words = complaint(own).split("should be at least ")[1]
        least = float(words.split(":")[0])
        values = resolve(CONFIG, SCHEMA)[scale]["tasks"][task]
        family, problem = make_family(values["optimizer"]), make_task(task, values["problem"])
        rows = values["meta_training"]["problems"] * problem.components
        needed = min(
            unroll_bytes(family, rows, values["steps"], block)
            for block in block_lengths(values["steps"])
        )
        assert 0.7 * needed < 1e9 * least < 1.005 * needed


def test_pairs_from_python_are_lists():
    study = resolve(changed(TASK + "seeds", (4, 5)), SCHEMA)["paper"]
    assert study["tasks"]["linear_regression"]["seeds"] == [4, 5]


def test_a_scale_that_is_wrong_stops_nobody_who_does_not_use_it():
    config = changed(SMOKE + "steps", -1)
    studies = resolve(config, SCHEMA)
    assert list(studies) == list(CONFIG["scales"]) and len(studies) == 6
    assert studies["laptop"] == resolve(CONFIG, SCHEMA)["laptop"]
    with pytest.raises(ConfigError, match=r"smoke\.settings\.rosenbrock\.steps"):
        studies["smoke"]
    with pytest.raises(ConfigError, match=r"smoke\.settings\.rosenbrock\.steps"):
        resolve({**config, "scale": "smoke"}, SCHEMA)


def test_the_study_has_to_be_right_for_every_scale():
    config = changed("study/settings/two_moons/steps", -1)
    with pytest.raises(ConfigError, match=r"study.settings.two_moons.steps': -1 should"):
        resolve(changed("scales/laptop/tasks", ["rosenbrock"], config), SCHEMA)


def test_which_scales_take_weights_is_known_of_wrong_ones_too():
    studies = resolve(changed("scales/released/tasks", 3), SCHEMA)
    assert [name for name in studies if studies.takes_weights(name)] == [
        "released",
        "unconstrained",
    ]


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
            "scales: {smoke: {settings: {rosenbrock: {steps: -1}}}}",
            ("--config", "scale=smoke"),
            "config key 'scales.smoke.settings.rosenbrock.steps': -1 should be at least 1",
        ),
        ("{}", ("--config", "scale=huge"), "config key 'scale': \"huge\" is not one of smoke"),
        (
            "{}",
            ("--config", "scales={smoke: {settings: {rosenbrock: {steps: 5}}}}", "scale=smoke"),
            'steps\': "5" should be a whole number; in quotation marks, or inside a value of --config',
        ),
        (
            "scales:\n  smoke: {}\n  smoke: {weights: w}\n",
            (),
            "config key 'scales.smoke': overlay.yaml has it twice, in line 2 and in line 3",
        ),
    ],
)
def test_the_workflow_ends_with_the_message_and_writes_nothing(
    tmp_path, overlay, arguments, message
):
    (tmp_path / "overlay.yaml").write_text(overlay)
    run = snakemake(tmp_path, *arguments, "--configfile", str(ROOT / "config.yaml"), "overlay.yaml")
    assert run.returncode != 0
    assert message in run.stdout and "Traceback" not in run.stdout
    assert run.stdout.count("config key") == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"overlay.yaml", ".snakemake"}


@pytest.mark.workflow
def test_the_workflow_plans_past_a_wrong_scale_that_it_does_not_need(tmp_path):
    (tmp_path / "overlay.yaml").write_text("scales: {smoke: {settings: {rosenbrock: {steps: -1}}}}")
    configuration = ("--dry-run", "--configfile", str(ROOT / "config.yaml"), "overlay.yaml")
    theta = "results/{}/meta_training/rosenbrock/seed_0/theta.npz"
    run = snakemake(tmp_path, theta.format("laptop"), *configuration)
    assert run.returncode == 0
    assert "The scale smoke can't be used. config key 'scales.smoke.settings" in run.stdout
    run = snakemake(tmp_path, theta.format("smoke"), *configuration)
    assert run.returncode != 0
    assert "ConfigError: config key 'scales.smoke.settings.rosenbrock.steps': -1" in run.stdout
