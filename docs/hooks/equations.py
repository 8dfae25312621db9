"""Equations in TeX become MathML, which browsers draw themselves: no script, no font, no network."""

import html
import re

from latex2mathml.converter import convert
from mkdocs.structure.pages import Page

INLINE = re.compile(r'<span class="arithmatex">\\\((.+?)\\\)</span>', re.DOTALL)
DISPLAYED = re.compile(r'<div class="arithmatex">\s*\\\[(.+?)\\\]\s*</div>', re.DOTALL)


def on_page_content(content: str, page: Page, **_: object) -> str:
    """Return the page with every equation converted."""

    def drawn(tex: str, display: str) -> str:
        return convert(html.unescape(tex).strip(), display=display)

    content = DISPLAYED.sub(
        lambda found: f'<div class="equation">{drawn(found[1], "block")}</div>', content
    )
    return INLINE.sub(lambda found: drawn(found[1], "inline"), content)
