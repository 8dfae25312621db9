"""What is wrong with the layout of a figure, as a reader would see it: read from what it draws.

A check by extents, not pixels: every piece of text, legend and panel has a box, in inches.
"""

from itertools import combinations
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

TOUCHING = 0.006  # inches: boxes that overlap by less touch; those of text have some air in them
LOWEST = 1.0  # inches that a panel must be high


class Box(NamedTuple):
    """Something drawn: what it is, where, and whose (the outermost axes that it belongs to, or None)."""

    name: str
    box: Bbox
    owner: Axes | None


def faults(figure: Figure, lowest: float = LOWEST) -> list[str]:
    """Return every fault in words: clipped, overlapping, too low, or unequal in a row; none if it is well."""
    figure.draw_without_rendering()
    texts, legends, panels = _texts(figure), _legends(figure), _panels(figure)
    found = []
    page = Bbox([[0.0, 0.0], figure.get_size_inches()])
    for name, box, _ in texts + legends + panels:
        if not (page.contains(*box.min) and page.contains(*box.max)):
            found.append(f"clipped: {name}")
    for first, second in combinations(texts, 2):
        if _overlap(first.box, second.box):
            found.append(f"text on text: {first.name} and {second.name}")
    for first, second in combinations(panels, 2):
        if _overlap(first.box, second.box):
            found.append(f"panel on panel: {first.name} and {second.name}")
    for text in texts:
        for other in panels:
            if text.owner is not other.owner and _overlap(text.box, other.box):
                found.append(f"text on another panel: {text.name} on {other.name}")
    for legend, whole in zip(legends, _entries(figure), strict=True):
        others = [text for text in texts if text.name not in whole]
        for other in others + [panel for panel in panels if panel.owner is not legend.owner]:
            if _overlap(legend.box, other.box):
                found.append(f"legend on something else: {legend.name} and {other.name}")
    return found + _heights(figure, lowest)


def _overlap(first: Bbox, second: Bbox) -> bool:
    common = Bbox.intersection(first, second)
    return common is not None and min(common.width, common.height) > TOUCHING


def _inches(figure: Figure, artist) -> Bbox:
    extent = artist.get_window_extent(figure.canvas.get_renderer())
    return extent.transformed(figure.dpi_scale_trans.inverted())


def _all_axes(figure: Figure) -> list[tuple[Axes, Axes]]:
    """Every axes, insets too, with the outermost one that it lies in."""
    return [(axes, owner) for owner in figure.axes for axes in (owner, *owner.child_axes)]


def _texts(figure: Figure) -> list[Box]:
    artists = [(text, None) for text in figure.texts]
    artists += [(text, None) for legend in figure.legends for text in legend.get_texts()]
    # The small print and a title above all are among figure.texts in this version of Matplotlib.
    for axes, owner in _all_axes(figure):
        own = [axes.title, axes._left_title, axes._right_title, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            own += [axis.label, axis.offsetText]
            ticks = axis._update_ticks()  # those within the view only, as they are drawn
            own += [label for tick in ticks for label in (tick.label1, tick.label2)]
        legend = axes.get_legend()
        own += [*legend.get_texts(), legend.get_title()] if legend else []
        artists += [(text, owner) for text in own]
    return [
        Box(f"{text.get_text()!r}", _inches(figure, text), owner)
        for text, owner in dict(artists).items()
        if text.get_visible() and text.get_text().strip()
    ]


def _legends(figure: Figure) -> list[Box]:
    found = [Box("the legend", _inches(figure, legend), None) for legend in figure.legends]
    for axes, owner in _all_axes(figure):
        if axes.get_legend():
            found.append(Box("a panel's legend", _inches(figure, axes.get_legend()), owner))
    return found


def _entries(figure: Figure) -> list[set[str]]:
    """What the legends say, in the order of ``_legends``."""
    legends = list(figure.legends)
    legends += [axes.get_legend() for axes, _ in _all_axes(figure) if axes.get_legend()]
    return [
        {f"{text.get_text()!r}" for text in (*legend.get_texts(), legend.get_title())}
        for legend in legends
    ]


def _panels(figure: Figure) -> list[Box]:
    return [
        Box(f"panel {number}", _inches(figure, axes), axes)
        for number, axes in enumerate(figure.axes)
    ]


def _heights(figure: Figure, lowest: float) -> list[str]:
    rows: dict[int, list[float]] = {}
    for axes in figure.axes:
        place = axes.get_subplotspec()
        if place is not None:
            rows.setdefault(place.rowspan.start, []).append(_inches(figure, axes).height)
    found = [f"row {row} is {min(h):.2f} in high" for row, h in rows.items() if min(h) < lowest]
    uneven = [(row, h) for row, h in rows.items() if max(h) - min(h) > 0.01]
    return found + [
        f"row {row} has panels {min(h):.2f} to {max(h):.2f} in high" for row, h in uneven
    ]
