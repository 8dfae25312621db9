"""The documentation: pages can be reached, public names have words; the built site is whole by itself."""

import ast
import html.parser
import importlib
import inspect
import re
import sys
from pathlib import Path

import pytest
import yaml

import lopt

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SITE = ROOT / "build/site"
LINK = re.compile(r"\]\(([^)\s:#]+)(?:#([^)\s]*))?\)")
MADE = {
    "index.md",
    "contributing.md",
    "changes.md",
    "weights/index.md",
}  # of files outside of docs/


def nav() -> list[str]:
    """Return the pages that the menu names."""
    text = (ROOT / "mkdocs.yml").read_text()

    def pages(entry: object) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        values = entry.values() if isinstance(entry, dict) else entry
        return [page for value in values for page in pages(value)]

    return pages(yaml.safe_load(text)["nav"])


def sources() -> list[Path]:
    """Return the pages as they lie in the project, and text notebooks."""
    outside = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "weights/README.md")
    notebooks = [
        path for folder in ("tutorials", "concepts") for path in DOCS.glob(f"{folder}/*.py")
    ]
    return [*(ROOT / path for path in outside), *DOCS.rglob("*.md"), *notebooks]


def test_the_menu_names_every_page_and_no_other():
    written = {
        path.relative_to(DOCS).with_suffix(".md").as_posix()
        for path in sources()
        if path.is_relative_to(DOCS)
    }
    named = [page for page in nav() if not page.startswith("reference/")]
    assert len(named) == len(set(named))
    assert set(named) == written | MADE


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target, anchor in LINK.findall(text):
        there = path.parent / target
        # A notebook's page has its name, and another ending.
        found = there if there.exists() else there.with_suffix(".py")
        assert found.exists(), f"{target} is not there"
        if anchor and found.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            assert anchor in map(slug, headings), f"{target} has no heading #{anchor}"


def slug(heading: str) -> str:
    """Return the anchor that a heading has, on GitHub and on the site."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def stated(module: str, name: str) -> ast.AST | None:
    """Return where a function or class is defined, followed through re-exports; nothing is imported."""
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in reversed(
        ast.parse(path.read_bytes()).body
    ):  # overloads come before what they are of
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return node
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            return stated(node.module, name)
    return None  # a value


def test_every_public_name_has_a_docstring_of_its_own():
    """What the site's build refuses (docs/hooks/reference.py), in less than a second."""
    stub = ast.parse((ROOT / "lopt/__init__.pyi").read_text())
    names = [
        (node.module, alias.name)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    found = {name: stated(module, name) for module, name in names}
    assert {name for name, node in found.items() if node is None} == {
        "BASELINES",
        "FAMILIES",
        "TASKS",
    }
    for name, node in found.items():
        assert node is None or len(ast.get_docstring(node) or "") > 20, name


def test_readme_fits_on_a_screen_before_the_figures():
    above, figures = (ROOT / "README.md").read_text().split("## The figures")
    assert len(above.splitlines()) <= 50
    assert len(re.findall(r"^!\[Figure \d", figures, re.MULTILINE)) == 8


def test_the_packages_of_the_site_are_locked_with_hashes():
    for name in ("docs", "crate"):
        lock = (ROOT / f"envs/{name}.lock").read_text()
        wanted = (ROOT / f"envs/{name}.in").read_text().split()
        entries = re.split(r"\n(?=\S)", lock)
        pinned = {entry.split("==")[0] for entry in entries if "==" in entry.split("\n")[0]}
        assert set(wanted) <= pinned
        assert all("--hash=sha256:" in entry for entry in entries if entry.split("==")[0] in pinned)
        assert "http" not in lock


class Loaded(html.parser.HTMLParser):
    """What a browser fetches for a page, and the page's pictures without words."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.silent: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "link" and given.get("rel") not in ("prev", "next", "canonical"):
            self.fetched.append(given.get("href") or "")
        if tag in ("script", "img", "iframe", "video", "source", "object", "embed"):
            self.fetched.append(given.get("src") or given.get("data") or "")
        if tag == "img" and not given.get("alt"):
            self.silent.append(given.get("src") or "")


@pytest.mark.docs
def test_the_site_loads_nothing_from_elsewhere_and_its_pictures_have_words():
    pages = sorted(
        set(SITE.rglob("*.html")) - {SITE / "404.html"}
    )  # whose paths start at the site's root
    assert len(pages) > 40
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text("utf-8"))
        assert not [url for url in loaded.fetched if re.match(r"(https?:)?//", url)], page
        assert not loaded.silent, page
        for url in loaded.fetched:
            path = url.partition("?")[0].partition("#")[0]
            assert not path or path.startswith("data:") or (page.parent / path).exists(), (
                page,
                url,
            )
    for sheet in SITE.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", sheet.read_text("utf-8"))


@pytest.mark.docs
def test_every_public_name_is_in_the_reference():
    pages = "".join(path.read_text("utf-8") for path in (SITE / "reference").glob("*.html"))
    anchors = set(re.findall(r'id="(lopt\.[\w.]+)"', pages))
    for name in lopt.__all__:
        value = getattr(lopt, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            assert f"{value.__module__}.{value.__qualname__}" in anchors, name


@pytest.mark.docs
def test_equations_are_drawn_and_notebooks_have_output():
    for page in (SITE / "concepts").glob("*.html"):
        text = page.read_text("utf-8")
        assert "<math" in text and "arithmatex" not in text and "printed" in text
        assert re.search(r'<img alt="[^"]+" src="\w+_1\.png"', text)
    for page in (SITE / "tutorials").glob("*.html"):
        assert "printed" in page.read_text("utf-8")


@pytest.mark.docs
def test_a_public_name_without_a_docstring_stops_the_build(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "hooks"))
    reference = importlib.import_module("reference")
    package = tmp_path / "lopt"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__init__.pyi").write_text(
        "from lopt.a import told as told, untold as untold, Kept as Kept\n"
    )
    (package / "a.py").write_text(
        '"""A."""\ndef told():\n    """Told."""\ndef untold(): ...\n'
        'class Base:\n    def said(self):\n        """Said."""\n'
        'class Kept(Base):\n    """K."""\n    def said(self): ...\n    def unsaid(self): ...\n'
        "    def _own(self): ...\n"
    )
    found = reference.loaded(tmp_path)
    missing = reference.undocumented(found, reference.public_names(found))
    assert missing == ["lopt.a.Kept.unsaid", "lopt.a.untold"]
    sys.modules.pop("reference")
