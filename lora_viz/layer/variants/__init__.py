"""Variants, ways to adapt a layer: one file each in this folder.

A file's PLACE orders the choices; without one it is last.
"""

from __future__ import annotations

import importlib
from dataclasses import replace

from lora_viz.core.experiment import CHOICES, Experiment, Sweep
from lora_viz.i18n.language import say
from lora_viz.i18n.outside import Ours
from lora_viz.layer.parametrisation import LOW_RANK, Variant

__all__ = ["VARIANTS", "card", "is_plain", "resolved", "trained_beside"]

VARIANTS: dict[str, Variant] = {
    name: importlib.import_module(f"{__name__}.{name}").VARIANT for name in CHOICES["variant"]
}


def resolved(sweep: Sweep) -> Sweep:
    """The same sweep with every variant's own fields set: what PiSSA means for ``init``, rsLoRA for the scaling."""
    if all(not VARIANTS[e.variant].sets for e in sweep.experiments):
        return sweep
    return Sweep(tuple(_resolve(e) for e in sweep.experiments))


def _resolve(e: Experiment) -> Experiment:
    return replace(e, **VARIANTS[e.variant].sets)


def card(name: str) -> Ours:
    """A variant's rule, name and paper, as markdown."""
    v = VARIANTS[name]
    paper = f"{v.authors} {v.year}, [arXiv:{v.arxiv}](https://arxiv.org/abs/{v.arxiv})"
    return Ours(f"\n$$\n{v.rule}\n$$\n\n**{say(v.title)}**: {paper}.")


def trained_beside(name: str, e: Experiment) -> int:
    """How many numbers this variant trains where it is shown beside a LoRA of this experiment."""
    variant = VARIANTS[name]
    return variant.parameters(replace(e, rank=variant.beside(e)))


def is_plain(e: Experiment) -> bool:
    """Whether the update is s·B A and nothing else, so far as the variant goes."""
    return VARIANTS[e.variant].form is LOW_RANK
