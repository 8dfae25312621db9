"""What a configuration file itself can get wrong: the same key twice.

YAML and JSON readers keep the last of two equal keys and say nothing, so that settings written further up
are lost. ``check_files`` reads the files once more and names the key and its lines. Needs PyYAML, which comes
with Snakemake.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from lopt.config import ConfigError
from lopt.found import key_path

__all__ = ["check_files"]

_MERGE = "tag:yaml.org,2002:merge"  # of <<, which may stand several times
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_files(paths: Iterable[str | Path]) -> None:
    """Refuse configuration files in which a mapping has a key twice.

    Raises:
        ConfigError: naming the file, the key and both lines.
    """
    for path in map(Path, paths):
        if path.is_file():
            for keys, lines in _duplicates(path):
                where = ", in line {} and in line {}".format(*lines) if lines else ""
                raise ConfigError(
                    f"config key '{key_path(keys)}': {path.name} has it twice{where}; "
                    "the last would replace the other"
                )


def _duplicates(path: Path) -> Iterator[tuple[list[str], tuple[int, int] | None]]:
    """Yield every key that is there twice, with the lines; JSON that is no YAML has no lines."""
    text = path.read_text(encoding="utf-8")
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, RecursionError):
        yield from _duplicates_of_json(text)
        return
    waiting: list[tuple[list[str], Any]] = [([], root)]
    known = set()
    while waiting:
        keys, node = waiting.pop()
        if id(node) in known:
            continue
        known.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [([*keys, str(i)], entry) for i, entry in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            lines: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                    continue
                line = key.start_mark.line + 1
                if (key.tag, key.value) in lines:
                    yield [*keys, key.value], (lines[key.tag, key.value], line)
                lines[key.tag, key.value] = line
                waiting.append(([*keys, key.value], value))


def _duplicates_of_json(text: str) -> Iterator[tuple[list[str], None]]:
    found: list[str] = []

    def pairs(entries: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in entries]
        found.extend(name for name in dict.fromkeys(names) if names.count(name) > 1)

    try:
        json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError):  # neither YAML nor JSON: whoever loads it says so
        return
    yield from (([name], None) for name in found)
