"""Extensions found by the file that holds them: a module's name is the name in ``config.yaml``.

    FAMILIES = Registry("lopt.learned", "LearnedFamily")
    FAMILIES.names()              every module of the package with a class of that base
    FAMILIES.facts("gru")         what its file says of it, nothing imported (see ``lopt.facts``)
    FAMILIES.load("gru")          the class: the module is imported here, and only now

A new file is found the next time somebody asks; there is no list to be added to.
"""

import dataclasses
import difflib
import importlib
import importlib.util
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lopt.config_check import schema_error
from lopt.config_plain import plain
from lopt.facts import Facts, json_schema, read_facts
from lopt.parameters import FactsError

__all__ = ["Registry"]


@dataclass(frozen=True)
class Registry:
    """The classes of a package that derive from ``base``, one a module.

    Attributes:
        package: dotted name of the package whose modules are searched; it is not imported.
        base: name of the class that marks them.
        taken: names that mean something else in results, so that no file may have them.
        needs: what a class has to have of its own, which ``base`` only describes.
    """

    package: str
    base: str
    taken: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """Return the names of what there is, sorted.

        Raises:
            FactsError: if a file of the package can't be read, or has a name that is taken or no module's.
        """
        files = [path for path in self._files() if read_facts(path, self.base)]
        for path in files:
            if not path.stem.isidentifier():
                raise FactsError(
                    f"{path}: {path.stem!r} is no name of a module (letters, digits and _); rename the file"
                )
        names = sorted(path.stem for path in files)
        for name in self.taken:
            if name in names:
                raise FactsError(
                    f"{self.facts(name).path}: {name} means something else in results; rename the file"
                )
        return names

    def path(self, name: str) -> Path:
        """Return the file that holds ``name``.

        Raises:
            ValueError: if there is none, with what there is.
        """
        return self.facts(name).path

    def facts(self, name: str) -> Facts:
        """Return what the file of ``name`` says of its class.

        Raises:
            ValueError: if there is none, with what there is.
        """
        for path in self._files():
            if path.stem == name and (found := read_facts(path, self.base)):
                return found
        raise ValueError(self._unknown(name))

    def load(self, name: str) -> type:
        """Import the module called ``name`` and return its class.

        Raises:
            ValueError: if there is none, with what there is.
            FactsError: if the class takes other parameters than its file shows, or lacks what it needs.
        """
        facts = self.facts(name)
        module = f"{self.package}.{name}"
        if module not in sys.modules:
            importlib.invalidate_caches()  # the file may be younger than the import system's listing
        found = getattr(importlib.import_module(module), facts.name)
        parameters = [field.name for field in dataclasses.fields(found) if field.init]
        if set(parameters) != set(facts.fields):
            raise FactsError(
                f"{facts.path}: class {facts.name} takes {parameters}, but its file shows "
                f"{list(facts.fields)}; state inherited fields in the file itself"
            )
        base = next(each for each in found.__mro__ if each.__name__ == self.base)
        lacking = [
            need
            for need in self.needs
            if getattr(found, need, None) in (None, getattr(base, need, None))
        ]
        if lacking:
            raise FactsError(
                f"{facts.path}: class {facts.name} lacks {', '.join(lacking)}: see {self.base}"
            )
        return found

    def make(self, name: str, parameters: Mapping[str, Any]) -> Any:
        """Return an instance of the class called ``name``, with parameters as a configuration gives them.

        Numbers and lists may also be NumPy's, lists tuples, and texts paths.

        Raises:
            ValueError: if there is none called so, or a parameter is unknown, missing or out of its bounds.
        """
        facts = self.facts(name)
        copied = plain(parameters)
        if wrong := schema_error(copied, json_schema(facts)):
            raise ValueError(f"{self._noun} {name!r}, {wrong[0]}: {wrong[1]}")
        return self.load(name)(
            **{
                key: tuple(value) if isinstance(value, list) else value
                for key, value in copied.items()
            }
        )

    def _files(self) -> list[Path]:
        return [
            path
            for folder in _folders(self.package, tuple(sys.path))
            for path in _modules(folder, folder.stat().st_mtime_ns)
        ]

    @property
    def _noun(self) -> str:
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.base).lower()

    def _unknown(self, name: str) -> str:
        names = self.names()
        close = difflib.get_close_matches(str(name), names, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return f"unknown {self._noun} {name!r}; {hint}there are {', '.join(names) or 'none'}"


@cache
def _folders(package: str, search_path: tuple[str, ...]) -> tuple[Path, ...]:
    del search_path  # what is found where depends on it
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ValueError(f"{package} is no package")
    return tuple(Path(folder) for folder in spec.submodule_search_locations)


@cache
def _modules(folder: Path, modified: int) -> tuple[Path, ...]:
    """The modules of a folder, listed again once a file was added or taken away."""
    del modified  # part of the cache's key
    return tuple(
        path
        for path in sorted(folder.glob("[!.]*.py"))  # editors' own files begin with a dot
        if path.stem != "__init__"
    )
