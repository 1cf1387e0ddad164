"""Which questions can a lesson ask? The catalogue of controls: one place for every range, label and help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lora_viz.experiment import CHOICES, Experiment

__all__ = ["CONTROLS", "TARGETS", "Control"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """One question to the visitor: the field (or view option) it sets, and its allowed answers.

    Answers stand on the screen as they stand in the URL. Without options the answer is a text, which the page reads.
    """

    name: str
    label: str
    options: tuple[Any, ...]
    help: str
    default: Any = None  # None: the lesson's

    @property
    def is_field(self) -> bool:
        return self.name in Experiment.__dataclass_fields__

    def only(self, *options: Any) -> Control:
        """The same question with fewer answers."""
        return Control(name=self.name, label=self.label, options=options, help=self.help)


_ALL = (
    Control(
        name="rank", label="Rank r", options=(1, 2, 3, 4, 6, 8), help="The bottleneck's width: rows of A, columns of B."
    ),
    Control(
        name="d_in",
        label="Dimensions of x and y",
        options=(2, 3),
        help="How many numbers go in and come out: few enough to see all of them.",
    ),
    Control(
        name="target_rank",
        label="Rank of the target",
        options=(1, 2, 3, 4, 6, 8, 12, 16),
        help="How many directions the hidden update really has.",
    ),
    Control(
        name="task",
        label="Target",
        options=("low_rank", "full_rank"),
        help="A target of full rank cannot be reached by a small r, however long you train.",
    ),
    Control(
        name="noise",
        label="Label noise",
        options=(0.0, 0.1, 0.3, 1.0, 2.0),
        help="Standard deviation of what is added to every label.",
    ),
    Control(
        name="spectrum",
        label="Target's singular values",
        options=("flat", "power", "exponential"),
        help="flat: all equal. power: 1/i. exponential: 0.7 to the power i.",
    ),
    Control(
        name="condition",
        label="Stretch of the inputs",
        options=(1.0, 3.0, 10.0, 100.0, 1000.0),
        help="Condition number of the inputs' covariance: 1 is a round cloud.",
    ),
    Control(
        name="init",
        label="Which factor starts at 0",
        options=("B_zero", "A_zero", "both_zero", "both_random"),
        help="LoRA's own choice is B_zero; the other factor is then Kaiming-uniform.",
    ),
    Control(
        name="variant",
        label="Variant",
        options=CHOICES["variant"],
        help="Which way to adapt the layer is looked at; a click in the map picks it too.",
    ),
    Control(
        name="versus",
        label="Beside it",
        options=CHOICES["variant"],
        help="Which other variant is drawn beside it.",
        default="lora",
    ),
    Control(
        name="weight_kind",
        label="Weight in the maps",
        options=("gaussian", "decaying"),
        help="gaussian: singular values fall slowly. decaying: the i-th is 1/i of the first.",
        default="gaussian",
    ),
    Control(
        name="budget",
        label="Ranks to keep, all layers",
        options=(8, 12, 15, 20, 30),
        help="The layers' targets have 15 ranks in all.",
        default=15,
    ),
    Control(
        name="optimizer",
        label="Optimizer",
        options=("sgd", "adam", "adamw"),
        help="Who turns gradients into updates.",
    ),
    Control(
        name="frozen",
        label="Keep still",
        options=("none", "A", "B"),
        help="A factor that does not train. A frozen is LoRA-FA (Zhang et al. 2023).",
    ),
    Control(
        name="convention",
        label="Names",
        options=("paper", "peft", "down_up", "row_vectors"),
        help="The same layer in the words of the paper, of PEFT, of image models, and with rows for vectors.",
        default="paper",
    ),
    Control(
        name="warmup",
        label="Warm-up steps",
        options=(0, 5, 10, 20),
        help="The learning rate grows from 0 over so many steps: the very first update is then 0.",
    ),
    Control(
        name="lr",
        label="Learning rate η",
        options=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0),
        help="Too high, and the run diverges: the curves then stop where it did.",
    ),
    Control(
        name="lr_ratio",
        label="η of B over η of A",
        options=(1.0, 4.0, 16.0),
        help="LoRA+ (Hayou et al. 2024) gives B a larger learning rate than A.",
    ),
    Control(
        name="alpha",
        label="α",
        options=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
        help="The update is multiplied by s, made of α and r.",
    ),
    Control(
        name="scaling_rule",
        label="Scaling rule",
        options=("lora", "rslora", "constant"),
        help="s is α/r for lora, α/√r for rslora (Kalajdzievski 2023), α for constant.",
    ),
    Control(
        name="sigma",
        label="σ of both factors",
        options=("0.02", "0.1", "0.5"),
        help="Standard deviation of the entries of A and of B, where both are random.",
        default="0.5",
    ),
    Control(name="steps", label="Steps", options=(50, 100, 200, 300, 500, 1000), help="How long to train."),
    Control(
        name="weights_dtype",
        label="Weights stored as",
        options=("float64", "float32", "float16", "bfloat16"),
        help="The number format of weights, factors and inputs.",
        default="bfloat16",
    ),
    Control(
        name="change",
        label="The digits are now",
        options=("rotated", "relabelled", "permuted", "inverted"),
        help="By 90°; called by their successor; pixels shuffled, always alike; white for black.",
        default="rotated",
    ),
    Control(
        name="plane",
        label="Plane",
        options=("learning_rates", "rank_alpha"),
        help="What the map's axes are: the learning rates of A and of B, or the rank and α.",
        default="learning_rates",
    ),
    Control(
        name="map_row",
        label="Chosen cell, percent of the height",
        options=tuple(range(100)),
        help="A click on the map sets it.",
        default=45,
    ),
    Control(
        name="map_column",
        label="Chosen cell, percent of the width",
        options=tuple(range(100)),
        help="A click on the map sets it.",
        default=45,
    ),
    Control(
        name="weight_format",
        label="Base stored as",
        options=("int8", "int4", "NF4"),
        help="int8: one scale a row. int4 and NF4: one scale for 64 weights, 15 even or 16 normal levels.",
        default="NF4",
    ),
    Control(
        name="second",
        label="The second adapter learnt",
        options=("permuted", "relabelled", "rotated"),
        help="The first learnt rotated digits. The same again, from another start, is the friendly case.",
        default="permuted",
    ),
    Control(
        name="error_axis",
        label="Error axis",
        options=("linear", "log"),
        help="A logarithmic axis shows how near zero the error is.",
        default="linear",
    ),
)
CONTROLS: dict[str, Control] = {control.name: control for control in _ALL}
# The same field, with every kind of target.
TARGETS = Control(
    name="task",
    label="What is to be learnt",
    options=CHOICES["task"],
    help="low_rank and full_rank: random directions. inside_top: within W's leading directions. rotation: W's outputs "
    "turn. row_rescale: W's rows grow.",
)
