"""The model card of a released optimizer: what it is, was trained on, and does, from its metadata alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from lopt.records.checksums import SUMS

__all__ = ["model_card"]


def model_card(metadata: Mapping[str, Any], name: str, checksum: str, *, shipped: bool) -> str:
    """Return the card (Markdown) of the optimizer stored as ``name`` in a folder of released weights.

    ``shipped``: whether the folder is the one that comes with lopt, which needs not be named.
    """
    task, seed = metadata["task"], metadata["seed"]
    optimizer = metadata["optimizer"]
    family = optimizer.get("family", "gru")
    where = f'"{task}", seed={seed}' if shipped else f'folder, "{task}", seed={seed}'
    begun = "from another's theta" if "start" in metadata else "from scratch"
    sizes = _listed(optimizer, but="family")
    return "\n".join(
        [
            "---",
            "license: cc-by-4.0",
            "library_name: lopt",
            "tags: [learned-optimizer, meta-learning, jax]",
            "---",
            "",
            f"# {family} optimizer of {task}, seed {seed}",
            "",
            "<!-- Generated from the file's metadata by `python -m lopt.weights cards weights`. -->",
            "",
            f"A learned optimizer: a network ({family}: {sizes}) that turns the gradient of every parameter",
            f"into its update, meta-trained {begun} on the task `{task}`.",
            "",
            "```python",
            "import lopt",
            "",
            *([] if shipped else [f'folder = "..."  # the one that has {SUMS}']),
            f"theta, metadata = lopt.load_released({where})",
            'optimizer = lopt.make_family(metadata["optimizer"]).build(theta)  # of optax',
            "```",
            "",
            "| | |",
            "|---|---|",
            f"| file | `{name}`, SHA-256 `{checksum}` |",
            *(f"| {label} | {text} |" for label, text in _facts(metadata)),
            "",
            "**Meant for** study: what a learned optimizer does and why. **Not meant for** training networks",
            f"of one's own: it has seen gradients of `{task}` only and may diverge elsewhere.",
            "",
        ]
    )


# What a card says, each as far as the metadata know it: its label, its words.
FACTS = (
    ("problems", "{problem}"),
    ("length of a run", "{steps} updates"),
    ("meta-training", "{meta_steps} meta-steps of {problems} problems"),
    ("its learning rate", "{learning_rate}, times {decay_factor} every {decay_steps} meta-steps"),
    (
        "begun from",
        "a theta that had {start_meta_step} meta-steps of another training ({start_optimizer}), SHA-256 "
        "`{start_sha256}`",
    ),
    (
        "kept",
        "theta of meta-step {meta_step}, the best of the validation "
        "({validation_meta_objective:.4g}); {skipped_steps} updates skipped",
    ),
    (
        "held out",
        "meta-objective {evaluation_meta_objective:.4f} ± {evaluation_meta_objective_se:.4f} on "
        "{evaluation_problems:.0f} problems that no training has seen, {evaluation_diverged:.0f} "
        "diverged; mean final loss {evaluation_final_loss:.3g}",
    ),
    (
        "gradients met",
        "0.1 %, 50 % and 99.9 % quantile of their size {smallest:.3g}, {median:.3g}, {largest:.3g}",
    ),
    ("made on", "{device} ({machine})"),
    ("took", "{wall_seconds:.0f} s"),
    ("made with", "{versions}"),
    ("configuration", "digest `{config_digest}`"),
    ("code", "commit `{commit}`"),
)


def _facts(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    known = {**metadata.get("meta_training", {}), **metadata.get("gradients", {}), **metadata}
    for key in ("problem", "versions"):
        if key in metadata:
            known[key] = _listed(metadata[key])
    for key, value in metadata.get("start", {}).items():
        known[f"start_{key}"] = _listed(value, but="family") if key == "optimizer" else value
    for label, words in FACTS:
        try:
            yield label, words.format_map(known)
        except KeyError:
            continue


def _listed(values: Mapping[str, Any], but: str = "") -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if name != but)
