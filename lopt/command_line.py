"""The command line: ``lopt`` or ``python -m lopt``.

    lopt analyze my_module:optimizer --on linear_regression     what it does, in sentences
    lopt analyze theta.npz --figures looks/ --report page.html  figures and a page, too
    lopt train linear_regression theta.npz --recipe laptop      an optimizer of one's own
    lopt describe weights                                       what a folder of released weights holds
    lopt provenance fig4_learning_rate_schedules                from the figure to its trainings
    lopt export theta.npz theta.safetensors                     the same numbers, readable without lopt

An optimizer is named by a module and what it is called there: an optax transformation, a
``ComponentOptimizer``, a pair of a family and its theta, or a function without arguments that returns one of
these. Or it is the path of a stored theta. Whatever is wrong with names or numbers is one line, status 1.
"""

import argparse
import importlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lopt.printing import tell
from lopt.process import NoGPUError, prepare

__all__ = ["main"]


class _UsageError(ValueError):
    """What was asked for can't be done; the message is all that the user needs."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error is one line, and the status 1."""
    parser = argparse.ArgumentParser(prog="lopt", description="Find out how an optimizer works.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for add in (_add_analyze, _add_train, _add_describe, _add_export, _add_provenance):
        add(commands)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (_UsageError, ValueError, OSError, RuntimeError) as error:
        parser.exit(1, f"error: {' '.join(str(error).split())}\n")


def _add_analyze(commands: Any) -> None:
    command = commands.add_parser("analyze", help="say how an optimizer works")
    command.add_argument("optimizer", help="my_module:name, or the path of a stored theta")
    command.add_argument(
        "--on",
        metavar="TASK",
        help="task to run on, or the path of what a recorder stored (the task that a stored theta was "
        "trained on; else linear_regression)",
    )
    command.add_argument("--problems", type=int, default=32, help="problems of the task (32)")
    command.add_argument(
        "--steps",
        type=int,
        help="updates per problem (200, or what a stored theta was trained for)",
    )
    command.add_argument("--name", help="what the optimizer is called")
    command.add_argument(
        "--figures", metavar="FOLDER", help="write the figures there, as PDF and PNG"
    )
    command.add_argument(
        "--report", metavar="FILE", help="write one page with everything: report.html"
    )
    command.add_argument(
        "--interventions",
        action="store_true",
        help="run it without each of its mechanisms, too (slow)",
    )
    command.set_defaults(run=_analyze)


def _analyze(options: argparse.Namespace) -> None:
    if options.figures:
        Path(options.figures).mkdir(parents=True, exist_ok=True)
    logger = _prepared(x64=True)
    optimizer = _load(options.optimizer)
    from lopt.figures import style
    from lopt.inspection import drawn
    from lopt.inspection.one_call import analyze

    stored = isinstance(optimizer, str)  # and says what it is called
    found = analyze(
        optimizer,
        options.on or (None if stored else "linear_regression"),
        name=options.name or (None if stored else options.optimizer.split(":")[-1]),
        problems=options.problems,
        steps=options.steps,
        interventions=options.interventions,
        progress=logger.info,
    )
    tell(found.summary(), end="")
    if options.report:
        found.report(options.report)
        logger.info("wrote %s", options.report)
    for mechanism in drawn.FIGURES if options.figures else ():
        folder = Path(options.figures)
        try:
            figure = getattr(found, f"plot_{mechanism}")()
        except ValueError as error:
            logger.info("%s", error)
            continue
        style.save(figure, folder / f"{mechanism}.pdf", folder / f"{mechanism}.png")
        logger.info("wrote %s", folder / f"{mechanism}.pdf")


def _add_train(commands: Any) -> None:
    command = commands.add_parser("train", help="meta-train an optimizer")
    command.add_argument("task", help="what it is trained on")
    command.add_argument("path", help="where theta goes: theta.npz")
    command.add_argument("--recipe", default="laptop", help="laptop (default) or published")
    command.add_argument("--family", help="gru (default), lstm, ...")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--gpu", action="store_true", help="use a GPU of this machine")
    command.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="numbers of the recipe or the family, for example meta_steps=500 units=16",
    )
    command.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> None:
    from lopt.config_check import schema_error
    from lopt.fields import Seed
    from lopt.parameters import describe, field_schema

    if Path(options.path).suffix != ".npz":
        raise _UsageError(f"{options.path}: a stored theta ends in .npz")
    if Path(options.path).is_dir():
        raise _UsageError(f"{options.path}: is a folder, expected where a file may go")
    if wrong := schema_error(options.seed, field_schema(describe(Seed))):
        raise _UsageError(f"--seed: {wrong[1]}")
    logger = _prepared(gpus=int(options.gpu))
    from lopt.extensions import TASKS
    from lopt.meta_training.recipes import make_recipe, trained

    if options.task not in TASKS.names():
        raise _UsageError(
            f"there is no task {options.task!r}; there are {', '.join(sorted(TASKS.names()))}"
        )
    recipe = make_recipe(options.recipe, _numbers(options.set), options.family)
    metadata = trained(options.path, options.task, recipe, options.seed, logger)
    tell(
        f"{options.path}: validation meta-objective {metadata['validation_meta_objective']:.4g} "
        f"at meta-step {metadata['meta_step']}"
    )


def _numbers(entries: Sequence[str]) -> dict[str, Any]:
    """Return what --set says, each name once: of two values nobody knows which was meant."""
    found: dict[str, Any] = {}
    for entry in entries:
        name, value = _number(entry)
        if name in found:
            raise _UsageError(f"--set {entry}: {name} stands there twice")
        found[name] = value
    return found


def _number(entry: str) -> tuple[str, Any]:
    name, equals, text = entry.partition("=")
    try:
        return name, json.loads(text) if equals and name else json.loads("")
    except json.JSONDecodeError:
        raise _UsageError(f"--set {entry}: expected NAME=NUMBER") from None


def _add_describe(commands: Any) -> None:
    command = commands.add_parser("describe", help="say what a folder of released weights holds")
    command.add_argument("folder", help="for example weights")
    command.set_defaults(run=_describe)


def _describe(options: argparse.Namespace) -> None:
    from lopt import weights

    weights.main(["describe", options.folder])


def _add_export(commands: Any) -> None:
    command = commands.add_parser("export", help="convert a stored theta: .npz, .safetensors")
    command.add_argument("path", help="what is read: theta.npz or theta.safetensors")
    command.add_argument("output", help="what is written; its ending says the format")
    command.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> None:
    from lopt.learned import stored

    formats = {".npz": stored.import_safetensors, ".safetensors": stored.export_safetensors}
    for path in (options.path, options.output):
        if Path(path).suffix not in formats:
            raise _UsageError(f"{path}: a stored theta ends in {' or '.join(formats)}")
    _prepared()
    formats[Path(options.output).suffix](options.path, options.output)
    tell(f"wrote {options.output}")


def _add_provenance(commands: Any) -> None:
    command = commands.add_parser(
        "provenance", help="say where a figure comes from, and whether the chain is whole"
    )
    command.add_argument("figure", help="a figure's name, fig4, or the path of any result")
    command.add_argument(
        "--results", default="results", metavar="FOLDER", help="where figures are looked for"
    )
    command.set_defaults(run=_provenance)


def _provenance(options: argparse.Namespace) -> None:
    from lopt import lineage

    broken = 0
    for line, whole in lineage.told(lineage.trace(lineage.find(options.figure, options.results))):
        tell(line)
        broken += not whole
    if broken:
        raise _UsageError(f"the chain of {options.figure} is broken at {broken} of its files (!)")


def _prepared(*, x64: bool = False, gpus: int = 0) -> logging.Logger:
    """Set the process up, unless JAX is there already, and tell what happens on the error stream."""
    if "jax" in sys.modules:
        logger = logging.getLogger("lopt")
        logger.setLevel(logging.INFO)
    else:
        try:
            logger = prepare(threads=os.cpu_count() or 1, x64=x64, gpus=gpus, compiled=None)
        except NoGPUError as error:
            raise _UsageError(
                f"there is no GPU: {error.reason}. Leave --gpu out to train on the CPU"
            ) from None
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers[:] = [handler]
    return logger


def _load(name: str) -> Any:
    """Return the optimizer that ``my_module:name`` or a path stands for."""
    if name.endswith((".npz", ".safetensors")):
        return name
    module_name, colon, attribute = name.partition(":")
    if not (colon and module_name and attribute):
        raise _UsageError(
            f"{name!r} is no optimizer; expected my_module:name, or the path of a stored theta (.npz)"
        )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        # It is the user's code: whatever goes wrong in it is the reason, a script that ends itself, too.
        raise _UsageError(
            f"module {module_name!r} can't be imported ({type(error).__name__}: {error})"
        ) from None
    found = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            public = [each for each in vars(module) if not each.startswith("_")]
            raise _UsageError(
                f"module {module_name!r} has no {attribute!r}; it has {', '.join(public[:20])}"
            )
        found = getattr(found, part)
    if callable(found) and not hasattr(found, "update") and not hasattr(found, "transition"):
        try:
            return found()
        except (Exception, SystemExit) as error:
            raise _UsageError(
                f"{name} is a function, and fails without arguments ({type(error).__name__}: {error})"
            ) from None
    return found


if __name__ == "__main__":
    main()
