"""What pyproject.toml can't say: the wheel has the released optimizers, which lie outside the package."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

RELEASED = (
    "SHA256SUMS",
    "attractors.csv",
    "README.md",
    "*/seed_*.npz",
    "*/seed_*.csv",
    "*/seed_*.md",
)


class BuildWithWeights(build_py):
    """Copy them to lopt/released, where load_released looks first; a clone has them beside the package."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        weights, target = Path("weights"), Path(self.build_lib, "lopt", "released")
        for path in sorted(each for pattern in RELEASED for each in weights.glob(pattern)):
            copy = target / path.relative_to(weights)
            copy.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(path), str(copy))


setup(cmdclass={"build_py": BuildWithWeights})
