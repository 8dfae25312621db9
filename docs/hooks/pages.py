"""Pages that lie outside of docs/, and links between them and those within.

The start page is README.md, so that it is written once. A link to a file of the project that is no page of
the site stops the build.
"""

import posixpath
import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent.parent
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "weights/README.md": "weights/index.md",
    "weights/census/README.md": "weights/census/index.md",
    **{
        path.relative_to(ROOT).as_posix(): path.relative_to(ROOT).as_posix()
        for path in sorted(ROOT.glob("weights/*/seed_*.md"))
    },
}
LINK = re.compile(r"(\]\()([^)\s:#]+)((?:#[^)\s]*)?\))")
FENCE = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie elsewhere."""
    for path, uri in OUTSIDE.items():
        files.append(
            File.generated(config, uri, content=(ROOT / path).read_text("utf-8"))
        )
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: object) -> str:
    """Return the page with its links leading to pages, wherever their files lie in the project."""
    uri = page.file.src_uri
    if uri == "index.md":
        page.meta["hide"] = ["navigation"]  # it would name this page only
    home = {uri: path for path, uri in OUTSIDE.items()}.get(uri, f"docs/{uri}")

    def relinked(found: re.Match[str]) -> str:
        path = posixpath.normpath(PurePosixPath(home).parent / found[2])
        if path in OUTSIDE:
            target = OUTSIDE[path]
        elif path.startswith("docs/"):
            target = path.removeprefix("docs/")
        else:
            raise PluginError(
                f"{home}: the link to {found[2]} leads to no page of the site"
            )
        return (
            found[1] + posixpath.relpath(target, PurePosixPath(uri).parent) + found[3]
        )

    pieces = FENCE.split(markdown)
    return "".join(
        piece if piece.startswith("```") else LINK.sub(relinked, piece)
        for piece in pieces
    )
