"""Text notebooks (.py, jupytext's percent format) become pages: executed when the site is built.

A cell that fails stops the build. What was executed is kept in build/notebooks, and executed again when its
code, lopt, or the locked environment has changed. Every picture needs words for those who don't see it:
alt="..." behind the %% of its cell. The script itself stays beside the page, for whoever opens it in Jupyter.
"""

import base64
import functools
import hashlib
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import jupytext
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parent.parent.parent
KEPT = ROOT / "build/notebooks"
FOLDERS = ("tutorials", "concepts")
AT_A_TIME = min(2, os.cpu_count() or 1)
SETUP = """\
%matplotlib inline
%config InlineBackend.figure_formats = ["retina"]
import warnings
warnings.filterwarnings("ignore", category=UserWarning, module="jax")
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page, and its pictures, for each notebook."""
    notebooks = [
        file
        for file in files
        if file.src_uri.endswith(".py")
        and PurePosixPath(file.src_uri).parts[0] in FOLDERS
    ]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for pages in pool.map(lambda file: list(_pages(file, config)), notebooks):
            for page in pages:
                files.append(page)
    return files


def _pages(file: File, config: MkDocsConfig) -> Any:
    notebook = _executed(file)
    path = PurePosixPath(file.src_uri)
    texts, pictures = [], {}
    for cell in notebook.cells[1:]:  # the first is the set-up
        texts.append(_text(cell, path, pictures))
    texts.append(
        f"---\n\n[This page as a notebook]({path.name}): open it with Jupyter and jupytext, or run it with "
        "Python. All of its output was computed when the site was built."
    )
    for name, data in pictures.items():
        yield File.generated(config, str(path.with_name(name)), content=data)
    yield File.generated(
        config, str(path.with_suffix(".md")), content="\n\n".join(texts) + "\n"
    )


def _executed(file: File) -> Any:
    """Return the notebook with its outputs: kept ones, or those of a run in an empty folder."""
    notebook = jupytext.reads(file.content_string, fmt="py:percent")
    notebook.cells.insert(0, nbformat.v4.new_code_cell(SETUP))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    text = "\0".join(cell.source for cell in code)
    kept = KEPT / f"{hashlib.sha256(text.encode() + _rests_on()).hexdigest()}.ipynb"
    if kept.exists():  # what is said between the cells may have changed since
        known = [
            cell
            for cell in nbformat.read(kept, as_version=4).cells
            if cell.cell_type == "code"
        ]
        for cell, before in zip(code, known, strict=True):
            cell.outputs = before.outputs
        return notebook
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=1200,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute(env={**os.environ, "JAX_PLATFORMS": "cpu"})
        except CellExecutionError as error:
            raise PluginError(f"{file.src_uri}: a cell fails\n{error}") from None
    print(
        f"{file.src_uri}: executed in {time.monotonic() - began:.0f} s", file=sys.stderr
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, kept)
    return notebook


@functools.cache
def _rests_on() -> bytes:
    """Return a digest of what the outputs depend on beside the notebook itself."""
    paths = [
        *sorted(ROOT.glob("lopt/**/*.py")),
        ROOT / "weights/SHA256SUMS",
        ROOT / "requirements.lock",
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).digest()


def _text(cell: Any, path: PurePosixPath, pictures: dict[str, bytes]) -> str:
    if cell.cell_type == "markdown":
        return cell.source
    parts = [f"```python\n{cell.source}\n```"]
    printed = [
        output.text
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stdout"
    ]
    if printed:
        parts.append(_printed("".join(printed)))
    for output in cell.outputs:
        if "data" in output and "image/png" in output.data:
            if not cell.metadata.get("alt"):
                raise PluginError(
                    f'{path}: a cell draws a picture, and has no alt="..."'
                )
            name = f"{path.stem}_{len(pictures) + 1}.png"
            pictures[name] = base64.b64decode(output.data["image/png"])
            width = output.metadata["image/png"]["width"]  # half of its pixels
            parts.append(f"![{cell.metadata['alt']}]({name}){{ width={width} }}")
        elif "data" in output and "text/plain" in output.data:
            parts.append(_printed(output.data["text/plain"]))
    return "\n\n".join(parts)


def _printed(text: str) -> str:
    return f"```{{.text .printed}}\n{text.rstrip()}\n```"
