"""The report: its tables and pages, and the whole thing in a browser without a network."""

import html.parser
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browsing import look_at
from PIL import Image
from workflow_project import snakemake

from lopt import report
from lopt.records import store

PAGES = ["claims", "validation", "run_times", "trainings", "versions", "configuration"]


def test_run_times_end_with_totals():
    row = {"s": 10.0, "max_rss": 300.0}
    jobs = [
        ("tune", "a", row),
        ("tune", "b", row | {"s": 5.0, "max_rss": 400.0}),
        ("analyze", "c", row),
    ]
    table = report.run_times(jobs)
    assert table["job"].tolist() == ["a", "b", "c", "all 2", "all 1"]
    assert table["seconds"].tolist() == [10.0, 5.0, 10.0, 15.0, 10.0]
    assert table["peak_memory_mb"].tolist()[-2:] == [400.0, 300.0]
    # Snakemake writes NA for jobs that end before it looked at them.
    assert np.isnan(report.run_times([("tune", "a", row | {"max_rss": "NA"})]).peak_memory_mb[0])
    assert report.run_times([]).empty


def test_trainings_mark_the_selected_seed():
    stored = [
        {"task": "rosenbrock", "seed": seed, "device": "cpu", "versions": {"jax": "1", "b": "2"}}
        for seed in (0, 1)
    ]
    table = report.trainings(stored, {"rosenbrock": 1})
    assert table["selected"].tolist() == ["no", "yes"]
    assert table["versions"][0] == "b 2 jax 1"
    assert table["meta_step"].tolist() == ["", ""]


def test_versions_name_what_computed():
    table = report.versions().set_index("what")["version"]
    assert table["python"] == sys.version.split()[0]
    assert table["numpy"] == np.__version__


class Cells(html.parser.HTMLParser):
    """The text of all table cells, row by row, as a browser would read them."""

    def __init__(self):
        super().__init__()
        self.rows, self.open, self.references = [], False, []

    def handle_starttag(self, tag, attributes):
        self.references += [value for name, value in attributes if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.open = True

    def handle_endtag(self, tag):
        self.open = self.open and tag not in ("td", "th")

    def handle_data(self, data):
        if self.open:
            self.rows[-1][-1] += data


def test_a_page_says_what_its_table_says():
    table = pd.DataFrame({"a": ["<b>&</b>", "agrees"], "b": [0.1234567, np.nan], "c": [1, 2]})
    text = report.page("a <title>", "a & note", [("a <heading>", table), ("", table[["a"]])])
    cells = Cells()
    cells.feed(text)
    first = [["a", "b", "c"], ["<b>&</b>", "0.12346", "1"], ["agrees", "", "2"]]
    assert cells.rows == [*first, ["a"], ["<b>&</b>"], ["agrees"]]
    assert "a &lt;heading&gt;" in text
    assert cells.references == []
    assert "a &lt;title&gt;" in text and "a &amp; note" in text


# --- the report of a run -------------------------------------------------------------------------

# Runs inside the report: shows every result the way a click on it does, waits until the browser has drawn
# it, and leaves what it saw in the page.
PROBE = """
<script>
window.seen = {errors: [], shown: {}, fetched: []};
window.addEventListener("error", event => seen.errors.push(String(event.message)));
window.addEventListener("unhandledrejection", event => seen.errors.push(String(event.reason)));
const consoleError = console.error;
console.error = (...words) => { seen.errors.push(words.join(" ")); consoleError(...words); };
</script>
"""
VISITS = """
<script>
function wait(milliseconds) { return new Promise(done => setTimeout(done, milliseconds)); }
async function visit() {
  for (let tries = 0; tries < 100 && typeof app === "undefined"; tries++) await wait(50);
  for (const category of Object.keys(categories)) { app.showCategory(category); await wait(20); }
  app.setView({content: "stats"}); await wait(200);
  app.setView({content: "rulegraph"}); await wait(200);
  for (const [path, result] of Object.entries(results)) {
    app.showResultInfo(path);
    const image = result.mime_type.startsWith("image/");
    app.setView({content: image ? "img" : "html", contentPath: result.data_uri, resultPath: path});
    const selector = image ? "#app img:not(.h-4)" : "#app iframe";
    let width = 0;
    for (let tries = 0; tries < 60 && !width; tries++) {
      await wait(50);
      const element = [...document.querySelectorAll(selector)].find(e => e.src == result.data_uri);
      if (element && image && element.complete) width = element.naturalWidth;
      if (element && !image) width = element.clientWidth;
    }
    seen.shown[path] = {width: width, caption: result.caption, mime: result.mime_type};
  }
  seen.fetched = performance.getEntriesByType("resource").map(entry => entry.name)
    .filter(name => !name.startsWith("data:"));
  const note = document.createElement("pre");
  note.id = "seen";
  note.textContent = JSON.stringify(seen);
  document.body.appendChild(note);
}
visit();
</script>
"""


def open_in_browser(path: Path, folder: Path) -> dict:
    """Open a report offline, look at all that it has, and return what was seen."""
    return look_at(path, PROBE, VISITS, folder)


@pytest.fixture(scope="module")
def reported(finished) -> Path:
    """The report of the smoke scale."""
    path = "results/smoke/report.html"
    run = snakemake(finished, "--report", path, "--config", "scale=smoke")
    assert run.returncode == 0, run.stdout[-5000:]
    return finished / path


@pytest.mark.workflow
def test_the_report_opens_without_a_network_and_shows_everything(finished, reported, tmp_path):
    seen = open_in_browser(reported, tmp_path)
    assert seen["errors"] == []
    assert seen["fetched"] == []
    shown = {Path(path).name: result for path, result in seen["shown"].items()}
    figures = {path.name for path in (finished / "results/smoke/figures").glob("*.png")}
    assert len(figures) > 5 and figures <= set(shown)
    assert {f"{name}.html" for name in PAGES} <= set(shown)
    for name, result in shown.items():
        assert result["width"] > 0, f"{name} is not shown"
        assert "<p>" in result["caption"], f"{name} has no caption"
        assert "{{" not in result["caption"] and "problematic" not in result["caption"]
    with Image.open(finished / "results/smoke/figures/fig1_performance.png") as image:
        assert shown["fig1_performance.png"]["width"] == image.width


@pytest.mark.workflow
def test_a_figure_that_is_not_there_is_noticed(reported, tmp_path):
    """The test above can fail: it does on a report with a broken image and a broken script."""
    text = reported.read_text()
    start = text.index("data:image/png")
    cut = text.index("base64,", start) + len("base64,")
    broken = tmp_path / "broken.html"
    broken.write_text(
        text[:cut]
        + "AAAA"
        + text[cut + 400 :].replace("</body>", "<script>nothing();</script></body>")
    )
    seen = open_in_browser(broken, tmp_path)
    assert any("nothing" in error for error in seen["errors"])
    assert sorted(result["width"] for result in seen["shown"].values())[0] == 0


@pytest.mark.workflow
def test_pages_say_what_the_tables_say(finished):
    results = finished / "results/smoke"
    cells = Cells()
    cells.feed((results / "report/validation.html").read_text())
    table = store.load_table(results / "validation.csv")
    assert len(cells.rows) == len(table) + 1
    assert [row[1] for row in cells.rows[1:]] == table["quantity"].tolist()
    times = store.load_table(results / "run_times.csv").set_index(["stage", "job"])["seconds"]
    benchmark = results / "benchmarks/analyze/two_moons_seed_0.tsv"
    expected = pd.read_csv(benchmark, sep="\t")["s"].item()
    assert times["analyze", "two_moons_seed_0"] == pytest.approx(expected)
    trainings = store.load_table(results / "trainings.csv")
    assert len(trainings) == len(list(results.glob("meta_training/*/seed_*/theta.npz")))
    assert (trainings["selected"] == "yes").groupby(trainings["task"]).sum().eq(1).all()
