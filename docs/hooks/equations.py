"""Equations in TeX become MathML, which browsers draw themselves, in a font that the site brings: no script.

The font is STIX Two Math, under the SIL Open Font License, as the package ziamath has it.
"""

import html
import re
from pathlib import Path

import ziamath
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

INLINE = re.compile(r'<span class="arithmatex">\\\((.+?)\\\)</span>', re.DOTALL)
DISPLAYED = re.compile(r'<div class="arithmatex">\s*\\\[(.+?)\\\]\s*</div>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the font; site.css names it."""
    font = Path(ziamath.__file__).parent / "fonts/STIXTwoMath-Regular.ttf"
    files.append(
        File.generated(config, f"fonts/{font.name}", content=font.read_bytes())
    )
    return files


def on_page_content(content: str, page: Page, **_: object) -> str:
    """Return the page with every equation converted."""

    def drawn(tex: str, display: str) -> str:
        return convert(html.unescape(tex).strip(), display=display)

    content = DISPLAYED.sub(
        lambda found: f'<div class="equation">{drawn(found[1], "block")}</div>', content
    )
    return INLINE.sub(lambda found: drawn(found[1], "inline"), content)
