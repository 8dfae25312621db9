"""Extensions are found by their file, and their facts read without importing it."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lopt import extensions
from lopt.config_check import schema_error
from lopt.facts import json_schema, read_facts
from lopt.fields import Bounds
from lopt.parameters import REQUIRED, FactsError
from lopt.registry import Registry

ROOT = Path(__file__).parent.parent

TOY = '''
"""A module that can be read but not imported."""

import no_such_module
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal
from lopt import fields
from lopt.fields import Bounds, Count, Counts, Fraction, NonNegative, Positive, Seed
from lopt.fields import Share as Part
from lopt.learned.base import LearnedFamily as Family


class Theta: ...


@dataclass(frozen=True)
class Toy(Family):
    """The toy family.

    More about it.
    """

    theta_type: ClassVar[type] = Theta
    label: ClassVar[str] = "Toy"
    sizes: ClassVar[tuple[str, ...]] = ("units", "widths")
    color = "#123456"

    units: Count
    widths: Counts = (3, 4)
    rate: Positive = 1
    penalty: NonNegative | None = None
    keep: Part = 1.0
    decay: Fraction = field(default=0.5)
    seed: fields.Seed = 7
    points: Annotated[int, Bounds(minimum=2)] = 2
    shift: "float" = -1.5
    nested: tuple[Positive | None, ...] = ()
    mode: Literal["fast", "exact"] = "fast"
    on: bool = True
    name: str = "x"

    def init(self, key):
        local: Count = 0
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of toys; ``write(name, text)`` adds a file to it."""
    folder = tmp_path / "toys"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "raise ImportError('nobody imports the package to list it')"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str) -> Path:
        path = folder / f"{name}.py"
        path.write_text(textwrap.dedent(text))
        return path

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] == "toys"]:
        del sys.modules[name]


def test_the_facts_of_a_file_that_cannot_be_imported(package):
    facts = read_facts(package("toy", TOY), "LearnedFamily")
    assert (facts.name, facts.summary) == ("Toy", "The toy family.")
    assert dict(facts.constants) == {
        "label": "Toy",
        "sizes": ("units", "widths"),
        "color": "#123456",
    }
    with pytest.raises(FactsError, match=r"toy\.py: class Toy states no literal 'theta_type'"):
        facts.constant("theta_type")
    assert list(facts.fields) == (
        "units widths rate penalty keep decay seed points shift nested mode on name".split()
    )
    units, widths = facts.fields["units"], facts.fields["widths"]
    assert (units.kind, units.bounds, units.default) == ("int", Bounds(minimum=1), REQUIRED)
    assert (widths.kind, widths.entries.bounds, widths.default) == (
        "tuple",
        Bounds(minimum=1),
        (3, 4),
    )
    assert facts.fields["penalty"].nullable and not facts.fields["rate"].nullable
    assert facts.fields["decay"].default == 0.5 and facts.fields["shift"].default == -1.5


def test_the_schema_is_that_of_the_annotations(package):
    schema = json_schema(read_facts(package("toy", TOY), "LearnedFamily"))
    assert schema["required"] == ["units"] and schema["additionalProperties"] is False
    assert schema["properties"] == {
        "units": {"type": "integer", "minimum": 1},
        "widths": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1}},
        "rate": {"type": "number", "exclusiveMinimum": 0},
        "penalty": {"type": ["number", "null"], "minimum": 0},
        "keep": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "decay": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        "seed": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
        "points": {"type": "integer", "minimum": 2},
        "shift": {"type": "number"},
        "nested": {"type": "array", "items": {"type": ["number", "null"], "exclusiveMinimum": 0}},
        "mode": {"enum": ["fast", "exact"]},
        "on": {"type": "boolean"},
        "name": {"type": "string"},
    }
    assert schema_error({"units": 3, "nested": [1.0, None]}, schema) is None
    for wrong, words in [
        ({"units": 0}, "at least 1"),
        ({"units": True}, "whole number"),
        ({}, "missing key units"),
        ({"units": 1, "keep": 0.0}, "greater than 0"),
        ({"units": 1, "widths": []}, "is empty"),
        ({"units": 1, "mode": "slow"}, "not one of fast, exact"),
        ({"units": 1, "unit": 1}, "unknown key unit; allowed are"),
    ]:
        assert words in schema_error(wrong, schema)[1]


def toy_with(field: str, decorator: str = "@dataclass(frozen=True)") -> str:
    return f"from lopt.fields import Count\n{decorator}\nclass Toy(Task):\n    {field}\n"


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (
            "size: Array",
            "field size: the annotation 'Array' can't be read; allowed are Count, Counts",
        ),
        ("size: dict[str, int]", "can't be read"),
        ("size: tuple[int, int] = (1, 2)", "tuple[X, ...]"),
        ("size: int | float = 1", "can't be read"),
        ("size: Count = 0", "field size: its default 0 should be at least 1"),
        ("size: Count = 2 * WIDTH", "the default '2 * WIDTH' can't be read"),
        ("size: int = field(default_factory=list)", "default_factory"),
        ("size: NonNegative = 0.0", "'NonNegative' can't be read"),  # it was not imported
    ],
)
def test_a_field_that_cannot_be_read_is_named(package, field, words):
    path = package("toy", toy_with(field))
    with pytest.raises(FactsError) as caught:
        read_facts(path, "Task")
    assert str(caught.value).startswith(f"{path}: class Toy, field size: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("decorator", ["", "@dataclass", "@dataclass(frozen=False)"])
def test_a_class_that_is_no_frozen_dataclass_is_refused(package, decorator):
    with pytest.raises(FactsError, match=r"Toy derives from Task, but is not a @dataclass\(frozen"):
        read_facts(package("toy", toy_with("size: int", decorator)), "Task")


def test_a_file_holds_one_class_of_a_base(package):
    assert read_facts(package("none", "class Other: ..."), "Task") is None
    assert read_facts(package("own", "class Task(Protocol): ..."), "Task") is None
    two = "".join(f"class {name}(base.Task): ...\n" for name in "AB")
    with pytest.raises(FactsError, match=r"several classes of Task \(A, B\)"):
        read_facts(package("two", two), "Task")
    with pytest.raises(FactsError, match=r"line 1 is not Python"):
        read_facts(package("broken", "class ("), "Task")


def test_fields_are_inherited_within_a_file_and_from_another(package):
    package("first", toy_with("size: Count = 3\n    extra: float = 1.0\n    label = 'first'"))
    second = """
        from toys.first import Toy
        class Middle(Toy):
            label = "middle"
        @dataclass(frozen=True)
        class Second(Middle):
            extra: float = 2.0
            more: int
    """
    for text in (second, second.replace("toys.first", ".first")):
        facts = read_facts(package("second", text), "Task")
        assert facts.name == "Second" and facts.constants["label"] == "middle"
        assert {name: field.default for name, field in facts.fields.items()} == {
            "size": 3,
            "extra": 2.0,
            "more": REQUIRED,
        }


def test_of_two_bases_the_first_one_counts(package):
    text = """
        class One:
            label = "one"
        class Two:
            label = "two"
        @dataclass(frozen=True)
        class Toy(One, Two, Task):
            pass
    """
    assert read_facts(package("toy", text), "Task").constants["label"] == "one"


def test_a_base_that_a_package_hands_on_is_found(package):
    package("first", toy_with("size: Count = 3"))
    package("__init__", "from .first import Toy")
    text = """
        from toys import Toy
        @dataclass(frozen=True)
        class Second(Toy):
            more: int = 1
    """
    assert list(read_facts(package("second", text), "Task").fields) == ["size", "more"]


def test_without_a_docstring_of_the_class_the_files_is_its_summary(package):
    text = '"""All about toys."""\n' + toy_with("size: int = 3")
    assert read_facts(package("toy", text), "Task").summary == "All about toys."


def test_a_changed_file_is_read_again(package):
    path = package("toy", toy_with("size: int = 3"))
    assert read_facts(path, "Task").fields["size"].default == 3
    package("toy", toy_with("size: int = 4444"))
    assert read_facts(path, "Task").fields["size"].default == 4444
    package("toy", toy_with("size: int = 5555"))  # as long as before
    os.utime(path, (1, 1))
    assert read_facts(path, "Task").fields["size"].default == 5555


def test_a_new_file_is_a_new_name(package):
    package("__init__", "")
    registry = Registry("toys", "Task")
    assert registry.names() == []
    header = "from dataclasses import dataclass\nclass Task: ...\n"
    package("banana", header + toy_with("size: Count = 3"))
    package("apple", header + toy_with("size: Count = 4"))
    package("helper", "import no_such_module")
    assert registry.names() == ["apple", "banana"]
    assert registry.facts("apple").fields["size"].default == 4
    assert "toys.apple" not in sys.modules
    assert registry.load("apple")() == registry.load("apple")(4)
    assert registry.path("banana").name == "banana.py"
    assert "toys.banana" not in sys.modules


@pytest.mark.parametrize(
    ("constant", "told"),
    [
        ('sizes = ("unit",)', r"sizes is \('unit',\), expected \(field, ...\) of its fields size"),
        ('sizes = "size"', "sizes is 'size', expected"),
        ('ordered = (("siz", "size"),)', "ordered is .* larger field.* of its fields size"),
        ('ordered = ("size", "size")', "ordered is .* larger field"),
        ('ordered = (("size", "size", "size"),)', "ordered is .* larger field"),
        ('least_components = "siz"', "least_components names siz, expected its fields size"),
    ],
)
def test_constants_that_name_no_field_are_refused(package, constant, told):
    path = package("toy", toy_with(f"size: int = 3\n    {constant}"))
    with pytest.raises(FactsError, match=f"{re.escape(str(path))}: class Toy: {told}"):
        read_facts(path, "Task")
    package("toy", toy_with('size: int = 3\n    sizes = ("size",)\n    least_components = "size"'))
    assert read_facts(path, "Task").constant("sizes") == ("size",)


FACTS = {"TITLE": '"A"', "CAPTION": '"B"', "READS": '("losses",)'}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"TITLE": '"A" + str(1)'}, "TITLE should be a literal, without a computation"),
        ({"TITLE": "3"}, "TITLE is 3, expected a text"),
        ({"READS": '"losses"'}, "READS is 'losses', expected names"),
        ({"READS": "()"}, r"READS is \(\), expected names"),
        ({"CAPTION": None}, "states no literal CAPTION"),
    ],
)
def test_what_a_figures_file_states_wrongly_is_named(tmp_path, monkeypatch, change, told):
    monkeypatch.setattr(extensions, "FIGURES", tmp_path)
    path = tmp_path / "fig1_mine.py"
    path.write_text("".join(f"{name}: object = {text}\n" for name, text in FACTS.items()))
    assert extensions.figure_facts("fig1_mine") == {
        "TITLE": "A",
        "CAPTION": "B",
        "READS": ("losses",),
    }
    facts = {name: text for name, text in (FACTS | change).items() if text}
    path.write_text("".join(f"{name} = {text}\n" for name, text in facts.items()))
    with pytest.raises(FactsError, match=f"{re.escape(str(path))}: {told}"):
        extensions.figure_facts("fig1_mine")


def test_two_figures_of_one_number_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(extensions, "FIGURES", tmp_path)
    for name in ("figS_a", "figS_b", "fig1_a"):
        (tmp_path / f"{name}.py").touch()
    assert extensions.figures() == ["fig1_a", "figS_a", "figS_b"]
    (tmp_path / "fig1_b.py").touch()
    with pytest.raises(FactsError, match="fig1_a and fig1_b are both called fig1; rename one"):
        extensions.figures()


def test_what_a_class_needs_is_its_own(package):
    package("__init__", "")
    registry = Registry("toys", "Task", needs=("loss", "theta_type"))
    header = "from dataclasses import dataclass\nclass Task:\n    def loss(self): ...\n"
    path = package("idle", header + toy_with("size: int = 3"))
    with pytest.raises(
        FactsError, match=f"{re.escape(str(path))}: class .* lacks loss, theta_type: see Task"
    ):
        registry.load("idle")
    package(
        "busy",
        header
        + toy_with("size: int = 3\n    theta_type = int\n    def loss(self):\n        return 1"),
    )
    assert registry.load("busy")().loss() == 1


def test_a_name_that_means_something_else_is_refused(package):
    registry = Registry("toys", "Task", taken=("learned",))
    header = "from dataclasses import dataclass\nclass Task: ...\n"
    package("apple", header + toy_with("size: int = 3"))
    assert registry.names() == ["apple"]
    dashed = package("pine-apple", header + toy_with("size: int = 3"))
    with pytest.raises(
        FactsError, match=f"{re.escape(str(dashed))}: 'pine-apple' is no name of a module"
    ):
        registry.names()
    dashed.rename(dashed.with_name(".pine-apple.py"))  # as editors call what they keep
    assert registry.names() == ["apple"]
    path = package("learned", header + toy_with("size: int = 3"))
    with pytest.raises(FactsError, match=f"{re.escape(str(path))}: learned means something else"):
        registry.names()


@pytest.mark.parametrize("ask", ["path", "facts", "load"])
def test_an_unknown_name_is_told_what_there_is(package, ask):
    registry = Registry("toys", "LearnedFamily")
    with pytest.raises(ValueError, match="unknown learned family 'gru'; there are none"):
        getattr(registry, ask)("gru")
    package("recurrent", TOY)
    package("zzz", TOY)
    with pytest.raises(ValueError) as caught:
        getattr(registry, ask)("recurent")
    assert str(caught.value) == (
        "unknown learned family 'recurent'; did you mean 'recurrent'? there are recurrent, zzz"
    )


def test_fields_that_the_file_does_not_show_are_noticed(package):
    package("__init__", "")
    package(
        "toy",
        """
        from dataclasses import dataclass, make_dataclass
        class Task: ...
        Hidden = make_dataclass("Hidden", [("hidden", int, 1)], frozen=True)
        @dataclass(frozen=True)
        class Toy(Hidden, Task):
            size: int = 3
        """,
    )
    with pytest.raises(FactsError, match=r"Toy takes \['hidden', 'size'\], but its file shows"):
        Registry("toys", "Task").load("toy")


def test_a_package_that_does_not_exist_is_told():
    with pytest.raises(ValueError, match=r"lopt\.nothing is no package"):
        Registry("lopt.nothing", "Task").names()


def test_listing_the_learned_families_imports_no_jax():
    code = (
        "import sys; from lopt.facts import json_schema; from lopt.learned import FAMILIES as f; "
        "[json_schema(f.facts(name)) for name in f.names()]; sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
