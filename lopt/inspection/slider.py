"""The part of a report that moves: a slider that takes the state along a path and redraws what it does there.

Plain script in the page, the data beside it: no network, no library. ``path`` collects what one path needs,
``moving_part`` is the HTML of all of them.
"""

import html
import json
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

__all__ = ["MovingPath", "moving_part"]


class MovingPath(NamedTuple):
    """States in order, and what the optimizer does at each."""

    name: str
    coordinate: str
    """What the places are: "iteration", "position"."""
    places: Float[np.ndarray, " place"]
    updates: Float[np.ndarray, "place update_grid"]
    rates: Float[np.ndarray, " place"]
    """Effective learning rates."""


def moving_part(gradients: Float[np.ndarray, " update_grid"], paths: list[MovingPath]) -> str:
    """Return the slider with its two drawings, its data and its script, as HTML."""
    data = {
        "gradients": _numbers(gradients),
        "paths": [
            {
                "name": path.name,
                "coordinate": path.coordinate,
                "places": _numbers(path.places),
                "updates": [_numbers(row) for row in path.updates],
                "rates": _numbers(path.rates),
            }
            for path in paths
        ],
    }
    options = "".join(
        f'<option value="{place}">{html.escape(path.name)}</option>'
        for place, path in enumerate(paths)
    )
    # "</" would end the script that holds the data.
    text = json.dumps(data, allow_nan=False).replace("</", "<\\/")
    return f"""\
<div id="moving">
<p><label>along <select id="path">{options}</select></label>
<input id="place" type="range" min="0" value="0" step="1" aria-label="place along the path">
<output id="where"></output></p>
<svg id="update" viewBox="0 0 420 260" role="img" aria-label="update function"></svg>
<svg id="rate" viewBox="0 0 420 260" role="img" aria-label="effective learning rate"></svg>
</div>
<script type="application/json" id="data">{text}</script>
<script>
{SCRIPT}</script>
"""


def _numbers(values: Float[np.ndarray, " any"]) -> list[Any]:
    """Return numbers that JSON has: what is not finite is null."""
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in np.asarray(values)]


SCRIPT = r"""
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const choice = document.getElementById("path"), slider = document.getElementById("place");
  const where = document.getElementById("where");
  const box = {left: 60, right: 410, top: 22, bottom: 215};
  const tell = value => value === null ? "not finite" : Number(value.toPrecision(4)).toString();

  function limits(rows) {
    const finite = rows.flat().filter(value => value !== null);
    let low = Math.min(...finite, 0), high = Math.max(...finite, 0);
    if (!(high > low)) { low -= 1; high += 1; }
    return [low, high];
  }

  function drawing(svg, x, xs, ys, title, label) {
    const [low, high] = ys, [first, last] = xs;
    const across = value => box.left + (box.right - box.left) * (value - first) / (last - first || 1);
    const up = value => box.bottom - (box.bottom - box.top) * (value - low) / (high - low);
    const text = (at, y, words, anchor) =>
      `<text x="${at}" y="${y}" text-anchor="${anchor}" font-size="12">${words}</text>`;
    const frame = `<path d="M${box.left} ${box.top}V${box.bottom}H${box.right}" fill="none" stroke="#222"/>`
      + `<path d="M${box.left} ${up(0)}H${box.right}" stroke="#bbb"/>`
      + text(box.left, 14, title, "start") + text(box.left - 4, up(high) + 4, tell(high), "end")
      + text(box.left - 4, up(low) + 4, tell(low), "end") + text(box.left, 232, tell(first), "middle")
      + text(box.right, 232, tell(last), "end") + text((box.left + box.right) / 2, 250, label, "middle");
    const line = (values, color, name) => {
      let d = "", pen = "M";
      values.forEach((value, k) => {
        if (value === null) { pen = "M"; return; }
        d += `${pen}${across(x[k]).toFixed(2)} ${up(value).toFixed(2)}`; pen = "L";
      });
      return `<path class="${name}" d="${d}" fill="none" stroke="${color}" stroke-width="2"/>`;
    };
    const dot = (k, value) => value === null ? "" :
      `<circle class="here" cx="${across(x[k]).toFixed(2)}" cy="${up(value).toFixed(2)}" r="5"
        fill="#c93c32"/>`;
    return {line, dot, show: parts => { svg.innerHTML = frame + parts.join(""); }};
  }

  function draw() {
    const path = data.paths[choice.value], k = Number(slider.value);
    const update = drawing(document.getElementById("update"), data.gradients,
      [data.gradients[0], data.gradients[data.gradients.length - 1]], limits(path.updates),
      "update function", "gradient g");
    update.show([update.line(path.updates[0], "#b4b4b4", "first"),
      update.line(path.updates[k], "#2b6cb8", "now")]);
    const rate = drawing(document.getElementById("rate"), path.places,
      [path.places[0], path.places[path.places.length - 1]], limits([path.rates]),
      "effective learning rate", path.coordinate);
    rate.show([rate.line(path.rates, "#2b6cb8", "now"), rate.dot(k, path.rates[k])]);
    where.textContent = `${path.coordinate} ${tell(path.places[k])}: `
      + `effective learning rate ${tell(path.rates[k])}`;
  }

  function choose() {
    slider.max = data.paths[choice.value].places.length - 1;
    slider.value = 0;
    draw();
  }

  choice.addEventListener("change", choose);
  slider.addEventListener("input", draw);
  choose();
})();
"""
