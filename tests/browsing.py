"""A page in a browser without a network: it runs a script there and returns what that saw."""

import contextlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["look_at"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def look_at(path: Path, probe: str, visits: str, folder: Path) -> dict:
    """Open the page at ``path`` with two pieces of HTML added, and return the JSON in its element ``seen``.

    Args:
        path: of the page.
        probe: what comes first in its head.
        visits: what comes last in its body; it ends with an element of the id ``seen``.
        folder: for the page that is opened, and the browser's profile.
    """
    text = path.read_text()
    instrumented = folder / "instrumented.html"
    text = text.replace("<head>", "<head>" + probe, 1)
    body, end = text.rsplit("</body>", 1)
    instrumented.write_text(f"{body}{visits}</body>{end}")
    command = [
        _browser(),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--window-size=1600,1200",
        "--virtual-time-budget=120000",
        "--dump-dom",
        instrumented.as_uri(),
    ]
    # A browser without a screen sometimes hangs at its start (seen once in some twenty runs): start another.
    for attempt in range(3):
        profile = f"--user-data-dir={folder / f'profile_{attempt}'}"
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                [*command, profile], capture_output=True, text=True, timeout=90, check=True
            )
            break
    else:
        pytest.fail("the browser hung three times")
    match = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match, f"the report's script did not come to its end: {done.stderr[-2000:]}"
    return json.loads(html.unescape(match.group(1)))


def _browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"NO BROWSER, THE REPORT WAS NOT OPENED: install one of {', '.join(BROWSERS)}")
    return found
