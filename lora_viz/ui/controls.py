"""Which questions can a lesson ask? The catalogue of controls: one place for every range, label and help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lora_viz.core.experiment import CHOICES, Experiment
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.variants import VARIANTS

__all__ = ["CONTROLS", "NAMES", "TARGETS", "Control"]

_SPECTRA = {
    "flat": to_say("flat"),
    "power": to_say("power law"),
    "exponential": to_say("exponential"),
    "geometric": to_say("geometric"),
    "spike": to_say("spike"),
    "random": to_say("random"),
}
_DTYPES = {name: name for name in ("float64", "float32", "float16", "bfloat16")}
_VARIANTS = {name: variant.title for name, variant in VARIANTS.items()}
_TO_DIGITS = {
    "rotated": to_say("rotated"),
    "relabelled": to_say("relabelled"),
    "permuted": to_say("permuted"),
    "inverted": to_say("inverted"),
}
# Field or view option -> what stands on the screen for its answers; the link keeps the answers themselves.
NAMES: dict[str, Mapping[Any, str]] = {
    "task": {
        "low_rank": to_say("low rank"),
        "full_rank": to_say("full rank"),
        "inside_top": to_say("inside W's top"),
        "rotation": to_say("rotation"),
        "row_rescale": to_say("rows stretched"),
    },
    "spectrum": _SPECTRA,
    "shape_of_spectrum": _SPECTRA,
    "init": {
        "B_zero": to_say("B = 0"),
        "A_zero": to_say("A = 0"),
        "both_zero": to_say("both 0"),
        "both_random": to_say("both random"),
        "gaussian": to_say("Gaussian, 1/r"),
        "A_zero_small": to_say("A = 0, B small"),
        "both_random_small": to_say("both small"),
        "variance_1_over_r": to_say("variance 1/r"),
        "kaiming_variance": to_say("variance 2/d"),
        "orthogonal": to_say("orthogonal"),
        "pissa": "PiSSA",
        "milora": "MiLoRA",
        "olora": "OLoRA",
        "lora_ga": "LoRA-GA",
        "eva": "EVA",
        "svd_of_answer": to_say("SVD of the answer"),
        "identity": to_say("A = I"),
    },
    "variant": _VARIANTS,
    "versus": _VARIANTS,
    "weight_kind": {"gaussian": to_say("Gaussian"), "decaying": to_say("decaying")},
    "optimizer": {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "scaled_gd": to_say("Scaled GD")},
    "schedule": {"constant": to_say("constant"), "linear": to_say("linear")},
    "frozen": {"none": to_say("neither"), "A": "A", "B": "B"},
    "convention": {
        "paper": to_say("paper"),
        "peft": "PEFT",
        "down_up": to_say("down and up"),
        "row_vectors": to_say("row vectors"),
    },
    "scaling_rule": {"lora": "α/r", "rslora": "α/√r", "constant": "α"},
    "dtype": _DTYPES,
    "weights_dtype": _DTYPES,
    "change": _TO_DIGITS,
    "second": _TO_DIGITS,
    "plane": {"learning_rates": to_say("learning rates"), "rank_alpha": to_say("rank and α")},
    "weight_format": {name: name for name in ("int8", "int4", "NF4")},
    "error_axis": {"linear": to_say("linear"), "log": to_say("logarithmic")},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """One question to the visitor: the field (or view option) it sets, and its allowed answers.

    ``names`` says what stands on the screen for an answer, where ``NAMES`` has nothing for this field; a number stands
    there as in the link. Without options the answer is a text, which the page reads.
    """

    name: str
    label: str
    options: tuple[Any, ...]
    help: str
    default: Any = None  # None: the lesson's
    names: Mapping[Any, str] = field(default_factory=dict)

    @property
    def is_field(self) -> bool:
        return self.name in Experiment.__dataclass_fields__

    def only(self, *options: Any) -> Control:
        """The same question with fewer answers."""
        return Control(name=self.name, label=self.label, options=options, help=self.help, names=self.names)

    def named(self, answer: Any, otherwise: str) -> str:
        """What stands on the screen for this answer, in the visitor's language; ``otherwise`` if it has no name."""
        name = self.names.get(answer) or NAMES.get(self.name, {}).get(answer)
        return otherwise if name is None else say(name)


_ALL = (
    Control(
        name="rank",
        label=to_say("Rank r"),
        options=(1, 2, 3, 4, 6, 8),
        help=to_say("The bottleneck's width: rows of A, columns of B."),
    ),
    Control(
        name="d_in",
        label=to_say("Dimensions of x and y"),
        options=(2, 3),
        help=to_say("How many numbers go in and come out: few enough to see all of them."),
    ),
    Control(
        name="target_rank",
        label=to_say("Rank of the target"),
        options=(1, 2, 3, 4, 6, 8, 12, 16),
        help=to_say("How many directions the hidden update really has."),
    ),
    Control(
        name="task",
        label=to_say("Target"),
        options=("low_rank", "full_rank"),
        help=to_say("A target of full rank cannot be reached by a small r, however long you train."),
    ),
    Control(
        name="noise",
        label=to_say("Label noise"),
        options=(0.0, 0.1, 0.3, 1.0, 2.0),
        help=to_say("Standard deviation of what is added to every label."),
    ),
    Control(
        name="spectrum",
        label=to_say("Target's singular values"),
        options=("flat", "power", "exponential"),
        help=to_say("Flat: all equal. Power law: the i-th is 1/i. Exponential: 0.7 to the power i."),
    ),
    Control(
        name="condition",
        label=to_say("Stretch of the inputs"),
        options=(1.0, 3.0, 10.0, 100.0, 1000.0),
        help=to_say("Condition number of the inputs' covariance: 1 is a round cloud."),
    ),
    Control(
        name="init",
        label=to_say("Which factor starts at 0"),
        options=("B_zero", "A_zero", "both_zero", "both_random"),
        help=to_say("LoRA's own choice is B = 0; the other factor is then Kaiming-uniform."),
    ),
    Control(
        name="variant",
        label=to_say("Variant"),
        options=CHOICES["variant"],
        help=to_say("Which way to adapt the layer is looked at; a click in the map picks it too."),
    ),
    Control(
        name="versus",
        label=to_say("Beside it"),
        options=CHOICES["variant"],
        help=to_say("Which other variant is drawn beside it."),
        default="lora",
    ),
    Control(
        name="weight_kind",
        label=to_say("Weight in the maps"),
        options=("gaussian", "decaying"),
        help=to_say("Gaussian: singular values fall slowly. Decaying: the i-th is 1/i of the first."),
        default="gaussian",
    ),
    Control(
        name="budget",
        label=to_say("Ranks to keep, all layers"),
        options=(8, 12, 15, 20, 30),
        help=to_say("The layers' targets have 15 ranks in all."),
        default=15,
    ),
    Control(
        name="optimizer",
        label=to_say("Optimizer"),
        options=("sgd", "adam", "adamw"),
        help=to_say("Who turns gradients into updates."),
    ),
    Control(
        name="frozen",
        label=to_say("Keep still"),
        options=("none", "A", "B"),
        help=to_say("A factor that does not train. A frozen is LoRA-FA (Zhang et al. 2023)."),
    ),
    Control(
        name="convention",
        label=to_say("Names"),
        options=("paper", "peft", "down_up", "row_vectors"),
        help=to_say("The same layer in the words of the paper, of PEFT, of image models, and with rows for vectors."),
        default="paper",
    ),
    Control(
        name="warmup",
        label=to_say("Warm-up steps"),
        options=(0, 5, 10, 20),
        help=to_say("The learning rate grows from 0 over so many steps: the very first update is then 0."),
    ),
    Control(
        name="lr",
        label=to_say("Learning rate η"),
        options=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0),
        help=to_say("Too high, and the run diverges: the curves then stop where it did."),
    ),
    Control(
        name="lr_ratio",
        label=to_say("η of B over η of A"),
        options=(1.0, 4.0, 16.0),
        help=to_say("LoRA+ (Hayou et al. 2024) gives B a larger learning rate than A."),
    ),
    Control(
        name="alpha",
        label=to_say("α"),
        options=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
        help=to_say("The update is multiplied by s, made of α and r."),
    ),
    Control(
        name="scaling_rule",
        label=to_say("Scaling rule"),
        options=("lora", "rslora", "constant"),
        help=to_say("What s is: α/r in LoRA, α/√r in rsLoRA (Kalajdzievski 2023), or α whatever the rank."),
    ),
    Control(
        name="sigma",
        label=to_say("σ of both factors"),
        options=("0.02", "0.1", "0.5"),
        help=to_say("Standard deviation of the entries of A and of B, where both are random."),
        default="0.5",
    ),
    Control(
        name="steps", label=to_say("Steps"), options=(50, 100, 200, 300, 500, 1000), help=to_say("How long to train.")
    ),
    Control(
        name="weights_dtype",
        label=to_say("Weights stored as"),
        options=("float64", "float32", "float16", "bfloat16"),
        help=to_say("The number format of weights, factors and inputs."),
        default="bfloat16",
    ),
    Control(
        name="change",
        label=to_say("The digits are now"),
        options=("rotated", "relabelled", "permuted", "inverted"),
        help=to_say(
            "Rotated: by 90°. Relabelled: called by their successor. Permuted: pixels shuffled, always alike. "
            "Inverted: white for black."
        ),
        default="rotated",
    ),
    Control(
        name="plane",
        label=to_say("Plane"),
        options=("learning_rates", "rank_alpha"),
        help=to_say("What the map's axes are: the learning rates of A and of B, or the rank and α."),
        default="learning_rates",
    ),
    Control(
        name="map_row",
        label=to_say("Chosen cell, percent of the height"),
        options=tuple(range(100)),
        help=to_say("A click on the map sets it."),
        default=45,
    ),
    Control(
        name="map_column",
        label=to_say("Chosen cell, percent of the width"),
        options=tuple(range(100)),
        help=to_say("A click on the map sets it."),
        default=45,
    ),
    Control(
        name="weight_format",
        label=to_say("Base stored as"),
        options=("int8", "int4", "NF4"),
        help=to_say("int8: one scale a row. int4 and NF4: one scale for 64 weights, 15 even or 16 normal levels."),
        default="NF4",
    ),
    Control(
        name="second",
        label=to_say("The second adapter learnt"),
        options=("permuted", "relabelled", "rotated"),
        help=to_say("The first learnt rotated digits. The same again, from another start, is the friendly case."),
        default="permuted",
    ),
    Control(
        name="error_axis",
        label=to_say("Error axis"),
        options=("linear", "log"),
        help=to_say("A logarithmic axis shows how near zero the error is."),
        default="linear",
    ),
)
CONTROLS: dict[str, Control] = {control.name: control for control in _ALL}
# The same field, with every kind of target.
TARGETS = Control(
    name="task",
    label=to_say("What is to be learnt"),
    options=CHOICES["task"],
    help=to_say(
        "Low rank and full rank: random directions. Inside W's top: within its leading directions. Rotation: W's "
        "outputs turn. Rows stretched: W's rows grow."
    ),
)
