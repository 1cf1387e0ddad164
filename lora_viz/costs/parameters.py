"""What does each parameter of an adapter mean? PEFT's name and default, and where this playground measures it."""

from __future__ import annotations

from typing import NamedTuple

from lora_viz.i18n.language import to_say

__all__ = ["PARAMETERS", "Parameter"]


class Parameter(NamedTuple):
    """One parameter: its name here and in PEFT, its default there, what it means, what is seen of it and where."""

    name: str
    peft: str
    default: object
    means: str
    seen: str
    pages: tuple[str, ...]


PARAMETERS = (
    Parameter(to_say("rank r"), "r", 8,
              to_say("Width of the bottleneck: rows of A, columns of B. ΔW has at most rank r; it costs r(d_in + "
                     "d_out) numbers a module."),
              to_say("Too small a rank leaves an exact error; beyond the target's rank only noise is left to fit."),
              ("rank", "bottleneck", "cost")),
    Parameter(to_say("alpha α"), "lora_alpha", 8,
              to_say("Numerator of the scale s = α/r before B A. Not a learning rate: halving α is undone only if A's "
                     "start is rescaled too."),
              to_say("The size of the first step against r, for α/r, α/√r and a constant, with SGD and Adam."),
              ("scaling", "alpha")),
    Parameter(to_say("target modules"), "target_modules", None,
              to_say("Which linear layers get an A and a B: endings of module paths, or one pattern. Without any, PEFT "
                     "looks the architecture up: often query and value, for some also others (phi: fc1 and fc2)."),
              to_say("What each choice trains, in how many numbers and bytes."), ("transformer", "budget")),
    Parameter(to_say("start"), "init_lora_weights", True,
              to_say("True: A Kaiming-uniform, that is U(±1/√d_in), of variance 1/(3 d_in) at every rank; B = 0. "
                     "gaussian: standard deviation 1/r. orthogonal needs an even rank. pissa and olora change the "
                     "frozen weights as well."),
              to_say("With B = 0 the output is exactly unchanged at first and ∇A is exactly zero; it is compared "
                     "with other initialisations."),
              ("gradient_flow", "init_race", "init_size")),
    Parameter(to_say("dropout"), "lora_dropout", 0.0,
              to_say("Drops entries of A's input while training; off in evaluation. The frozen path sees all of x."),
              to_say("Left on by mistake, a merged and an unmerged layer differ."), ("merge",)),
    Parameter("rsLoRA", "use_rslora", False,
              to_say("s = α/√r instead of α/r (Kalajdzievski 2023). At a high rank the same α then gives a far "
                     "larger scale."),
              to_say("With SGD α/r trains worse as r grows and α/√r does not; with Adam the difference is mild."),
              ("scaling", "scaling_training")),
    Parameter("DoRA", "use_dora", False,
              to_say("Learns each output row's length apart from its direction (Liu et al. 2024): d_out numbers more a "
                     "module, and ΔW is no longer of rank r."),
              to_say("Where only magnitudes change, it needs almost no rank."), ("variants",)),
    Parameter(to_say("bias"), "bias", "none",
              to_say("Which biases train: none, those of adapted layers, or all. With any, switching the adapter off "
                     "no longer gives the base model back."), to_say("The layers here have no bias."), ()),
)  # fmt: skip
