"""The reference page and the schema in the tree are those of the code, and say of every key what it means."""

import copy
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from lopt import config_reference
from lopt.config_frame import BLOCKS, frame, mapping_of, settings_fields
from lopt.config_reference import complete_schema, generated, reference_page
from lopt.extensions import BASELINES, FAMILIES, TASKS
from lopt.facts import hyperparameters, read_facts
from lopt.meta_training.search import Recipe
from lopt.settings import SEARCHED

ROOT = Path(__file__).parent.parent
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())


@pytest.mark.parametrize("path", ["docs/configuration_reference.md", "schemas/config.schema.yaml"])
def test_what_is_in_the_tree_is_what_the_code_says(path):
    assert (ROOT / path).read_text() == generated(ROOT)[ROOT / path], "run: make reference"


def documented():
    """Every key of the configuration with its meaning."""
    classes = list(BLOCKS.values())
    for cls in classes:
        for name, field in settings_fields(cls).items():
            yield f"{cls.__name__}.{name}", field.meaning
            inner = mapping_of(field.annotation)
            if inner and inner not in classes:
                classes.append(inner)
    for registry in (TASKS, BASELINES, FAMILIES):
        for name in registry.names():
            facts = registry.facts(name)
            fields = hyperparameters(facts) if registry is BASELINES else facts.fields
            yield from ((f"{name}.{key}", field.meaning) for key, field in fields.items())


def test_every_key_has_a_meaning_and_every_length_time_and_size_a_unit():
    found = dict(documented())
    assert len(found) > 80
    for key, meaning in found.items():
        assert meaning.text.endswith((".", "...")), f"{key}: write what it means under the field"
    for key in (
        "MetaTrainingSettings.checkpoint_seconds",
        "MetaTrainingSettings.memory_budget_gb",
        "TaskSettings.steps",
        "Early.meta_steps",
        "GradientGrid.count",
        "two_moons.noise",
    ):
        assert found[key].unit, key


def keys_of(value, prefix=""):
    """Every key of the study that a person could look up."""
    for key, inner in value.items():
        yield key
        if isinstance(inner, dict):
            yield from keys_of(inner)
        elif isinstance(inner, list):
            yield from (k for entry in inner if isinstance(entry, dict) for k in keys_of(entry))


def variant_names(value):
    """The names that the configuration gives to variants."""
    if not isinstance(value, dict):
        return set()
    inner = set().union(*map(variant_names, value.values()))
    return inner | set(value.get("variants") or {})


def test_the_page_has_every_key_of_the_configuration():
    page = reference_page(CONFIG)
    names = {*CONFIG["scales"], *TASKS.names(), *BASELINES.names(), *variant_names(CONFIG)}
    missing = {key for key in keys_of(CONFIG) if f"| `{key}` |" not in page} - names
    assert missing == {"family"}  # told under optimizer, whose other keys are the family's
    assert "`family`: the learned family" in page


def test_the_page_states_the_values_of_the_study():
    changed = copy.deepcopy(CONFIG)
    changed["study"]["every_task"]["meta_training"]["clip"] = 0.25
    changed["study"]["settings"]["rosenbrock"]["steps"] = 77
    page = reference_page(changed)
    assert (
        "| `clip` | number > 0 | meta-gradient | `0.25`; two_moons `0.05`; digits `0.05` |" in page
    )
    assert "`200`; rosenbrock `77`" in page


def test_the_schema_in_the_tree_takes_the_configuration_and_refuses_what_is_wrong():
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert not list(validator.iter_errors(CONFIG))
    for keys, value in (
        (("study", "every_task", "meta_training", "b1"), 1.0),
        (("study", "settings", "two_moons", "problem", "noise"), -1.0),
        (("study", "every_task", "problem"), {"noise": 0.1}),
        (("scales", "smoke", "every_task", "stepz"), 3),
        (("scales", "smoke", "settings", "rosenbrock", "optimizer"), {"family": "none"}),
        (("study", "settings", "rosenbrock", "tuning", "ranges"), {"adam": {"b1": {"low": 2}}}),
        (("scales", "smoke", "tasks"), ["none"]),
    ):
        wrong = copy.deepcopy(CONFIG)
        node = wrong
        for key in keys[:-1]:
            node = node[key]
        node[keys[-1]] = value
        assert list(validator.iter_errors(wrong)), keys


def test_a_new_bound_and_a_new_meaning_reach_schema_and_page(tmp_path, monkeypatch):
    text = (ROOT / "lopt/tasks/rosenbrock.py").read_text()
    text = text.replace("start_half_width: Positive", "start_half_width: Share")
    text = text.replace("[of a coordinate] Starts", "[furlongs] Beginnings").replace("= 2.0", "= 1")
    (tmp_path / "rosenbrock.py").write_text(text.replace("import Positive", "import Share"))
    facts = read_facts(tmp_path / "rosenbrock.py", "Task")
    known = TASKS.facts
    monkeypatch.setattr(
        type(TASKS),
        "facts",
        lambda self, name: (
            facts if (self, name) == (TASKS, "rosenbrock") else known.__func__(self, name)
        ),
    )
    problem = complete_schema()["$defs"]["settings_of_rosenbrock"]["properties"]["problem"]
    assert problem["properties"]["start_half_width"]["maximum"] == 1
    row = "| `start_half_width` | number > 0, ≤ 1 | furlongs | `1`; study `2.0` | Beginnings are"
    assert row in reference_page(CONFIG)


def test_what_a_search_may_draw_is_what_a_recipe_has():
    scales = ("input_scale", "output_scale")
    assert SEARCHED == tuple(name for name in Recipe.__annotations__ if name not in scales)
    assert set(SEARCHED) == set(
        frame()["$defs"]["meta_search"]["properties"]["ranges"]["properties"]
    )


def test_the_command_writes_both_files(tmp_path, monkeypatch, capsys):
    (tmp_path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    for folder in ("docs", "schemas"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr("sys.argv", ["config_reference", str(tmp_path)])
    config_reference.main()
    assert "wrote" in capsys.readouterr().out
    for path in ("docs/configuration_reference.md", "schemas/config.schema.yaml"):
        assert (tmp_path / path).read_bytes() == (ROOT / path).read_bytes()
