"""What tasks and optimizers are called in figures, and in which color and line style they are drawn.

Names, and colors of those that have one, travel with the results: this module knows the learned optimizer
only. The learned optimizer is solid, the baselines' dashes follow their order in the study. A baseline
without a color of its own takes the next of a fixed cycle. Colors differ in lightness too, so that
optimizers can be told apart without color vision (tests/test_figures.py simulates it).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from matplotlib.colors import to_rgb

from lopt.figures import style
from lopt.records import evaluation
from lopt.records.results import Results

__all__ = ["LEARNED", "Role", "Roles"]


class Role(NamedTuple):
    """How one optimizer is drawn."""

    label: str
    color: str
    linestyle: str | tuple

    def line(self) -> dict:
        """Keyword arguments of ``Axes.plot``."""
        return {"color": self.color, "linestyle": self.linestyle, "label": self.label}


LEARNED = Role("Learned optimizer", style.LEARNED_COLOR, "-")
# Each as far as possible from those before it and from those of the package, in CIELAB, for all visions.
COLORS = ("#33CCCC", "#5E084D", "#92BD75", "#9513EC", "#AC5377", "#250B8E")
# One more than there are colors: a pair of the two comes back only after all others.
DASHES = (
    (4.0, 1.4),
    (1.2, 0.9),
    (5.0, 1.2, 1.2, 1.2),
    (8.0, 1.6),
    (5.0, 1.2, 1.2, 1.2, 1.2, 1.2),
    (2.2, 2.2),
    (8.0, 1.2, 1.2, 1.2),
)


class Roles(NamedTuple):
    """The names and looks of one study; what has no label is called by its name."""

    labels: Mapping[str, str]
    colors: Mapping[str, str]
    baselines: tuple[str, ...]

    @classmethod
    def of(cls, results: Results) -> "Roles":
        """Return the roles of the study that ``results`` belong to."""
        return cls(results.labels, results.colors, results.baselines)

    def label(self, name: str) -> str:
        """Return what a task or an optimizer is called.

        >>> roles = Roles({"adam": "Adam"}, {}, ("adam",))
        >>> roles.label("adam"), roles.label("my_task"), roles.label("learned")
        ('Adam', 'My task', 'Learned optimizer')
        """
        readable = LEARNED.label if name == evaluation.LEARNED else _readable(name)
        return self.labels.get(name, readable)

    def titles(self, columns: Iterable) -> list[str]:
        """Return the titles of a figure's columns, each of one task."""
        return [self.label(column.task) for column in columns]

    def seeds(self, columns: Iterable) -> list[tuple[str, int]]:
        """Return whose training is shown in a figure's columns: (title, seed).

        What was not trained has a negative seed, and is left out.
        """
        return [(self.label(column.task), column.seed) for column in columns if column.seed >= 0]

    def tuned(self, optimizer: str) -> dict:
        """Keyword arguments of ``Axes.plot`` for the learning rate of a tuned optimizer.

        >>> Roles({"momentum": "Momentum"}, {}, ("momentum",)).tuned("momentum")["label"]
        'tuned momentum'
        """
        label = self.label(optimizer)
        called = label if label[1:2].isupper() else label[:1].lower() + label[1:]  # not an acronym
        return self.role(optimizer).line() | {"label": f"tuned {called}", "linewidth": 1.1}

    def role(self, optimizer: str) -> Role:
        """Return how an optimizer is drawn.

        >>> roles = Roles({"adam": "Adam"}, {"adam": "#8F0F2B"}, ("adam", "sgd", "lion"))
        >>> [roles.role(name).color for name in ("adam", "sgd", "lion", "learned")]
        ['#8F0F2B', '#33CCCC', '#5E084D', '#2B6CB8']
        """
        label = self.label(optimizer)
        if optimizer == evaluation.LEARNED:
            return LEARNED._replace(label=label, color=self.colors.get(optimizer, LEARNED.color))
        study = [*self.baselines, *([] if optimizer in self.baselines else [optimizer])]
        taken = {color.upper() for color in self.colors.values()}
        free = [color for color in COLORS if color not in taken] or list(COLORS)
        uncolored = [name for name in study if name not in self.colors]
        color = self.colors.get(optimizer) or free[uncolored.index(optimizer) % len(free)]
        return Role(label, color, (0, DASHES[study.index(optimizer) % len(DASHES)]))

    def in_order(self, optimizers: Iterable[str]) -> list[str]:
        """Return optimizers as they are drawn and listed: from light to dark, the learned one last.

        >>> Roles({}, {"a": "black", "b": "yellow"}, ("a", "b")).in_order(["learned", "a", "b"])
        ['b', 'a', 'learned']
        """
        places = {name: place for place, name in enumerate(self.baselines)}

        def key(name: str) -> tuple:
            place = places.get(name, len(places))
            return name == evaluation.LEARNED, -_lightness(self.role(name).color), place, name

        return sorted(set(optimizers), key=key)


def _readable(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _lightness(color: str) -> float:
    """Return the luma of a color (ITU-R BT.601), 0 to 1."""
    red, green, blue = to_rgb(color)
    return 0.299 * red + 0.587 * green + 0.114 * blue
