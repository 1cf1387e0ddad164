"""The controls that several lessons share: one place for every range, label and help."""

from __future__ import annotations

from lora_viz.content.glossary import LEVELS
from lora_viz.core.experiment import CHOICES
from lora_viz.i18n.language import to_say
from lora_viz.layer.matrices import SPECTRA
from lora_viz.lessons.controls import Choice

__all__ = ["CONTROLS", "LEVEL", "TARGETS"]


_ALL = (
    Choice(id="rank", label=to_say("Rank r"), options=(1, 2, 3, 4, 6, 8),
           help=to_say("The bottleneck's width: rows of A, columns of B.")),
    Choice(id="d_in", label=to_say("Dimensions of x and y"), options=(2, 3),
           help=to_say("How many numbers go in and come out: few enough to see all of them.")),
    Choice(id="target_rank", label=to_say("Rank of the target"), options=(1, 2, 3, 4, 6, 8, 12, 16),
           help=to_say("The number of directions that the target update has.")),
    Choice(id="task", label=to_say("Target"), options=("low_rank", "full_rank"),
           help=to_say("A target of full rank cannot be reached by a small r, however long you train.")),
    Choice(id="noise", label=to_say("Label noise"), options=(0.0, 0.1, 0.3, 1.0, 2.0),
           help=to_say("Standard deviation of what is added to every label.")),
    Choice(id="spectrum", label=to_say("Target's singular values"), options=("flat", "power", "exponential"),
           help=to_say("Flat: all equal. Power law: the i-th is 1/i. Exponential: 0.7 to the power i.")),
    Choice(id="shape_of_spectrum", label=to_say("Singular values of M"), options=SPECTRA,
           help=to_say("Flat: all equal. Power law: the i-th is 1/i. Exponential: 0.7 to the power i. Random: "
                       "independent normal entries."), default="power"),
    Choice(id="condition", label=to_say("Condition number κ of the inputs"), options=(1.0, 3.0, 10.0, 100.0, 1000.0),
           help=to_say("Condition number of the inputs' covariance. At 1 the inputs are isotropic.")),
    Choice(id="init", label=to_say("Which factor starts at 0"),
           options=("B_zero", "A_zero", "both_zero", "both_random"),
           help=to_say("LoRA's default is B = 0, with A Kaiming-uniform.")),
    Choice(id="variant", label=to_say("Variant"), options=CHOICES["variant"],
           help=to_say("The way of adapting the layer that is shown. A click on the map chooses it, too.")),
    Choice(id="versus", label=to_say("Compare with"), options=CHOICES["variant"],
           help=to_say("The other variant that is plotted."), default="lora"),
    Choice(id="weight_kind", label=to_say("Weight in the maps"), options=("gaussian", "decaying"),
           help=to_say("Gaussian: singular values fall slowly. Decaying: the i-th is 1/i of the first."),
           default="gaussian"),
    Choice(id="budget", label=to_say("Ranks to keep, all layers"), options=(8, 12, 15, 20, 30),
           help=to_say("The layers' targets have 15 ranks in all."), default=15),
    Choice(id="optimizer", label=to_say("Optimiser"), options=("sgd", "adam", "adamw"),
           help=to_say("The rule that turns gradients into updates.")),
    Choice(id="frozen", label=to_say("Freeze"), options=("none", "A", "B"),
           help=to_say("A factor that does not train. A frozen is LoRA-FA (Zhang et al. 2023).")),
    Choice(id="convention", label=to_say("Names"), options=("paper", "peft", "down_up", "row_vectors"),
           help=to_say("The same layer in the words of the paper, of PEFT, of image models, and with rows for "
                       "vectors."), default="paper"),
    Choice(id="warmup", label=to_say("Warm-up steps"), options=(0, 5, 10, 20),
           help=to_say("The learning rate grows from 0 over this many steps, so the very first update is 0. With 0 "
                       "steps it is constant.")),
    Choice(id="lr", label=to_say("Learning rate η"),
           options=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0),
           help=to_say("If it is too high, the run diverges, and its curves stop there.")),
    Choice(id="lr_ratio", label=to_say("η of B over η of A"), options=(1.0, 4.0, 16.0),
           help=to_say("LoRA+ (Hayou et al. 2024) gives B a larger learning rate than A.")),
    Choice(id="alpha", label=to_say("α"), options=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
           help=to_say("The update is multiplied by s, made of α and r.")),
    Choice(id="scaling_rule", label=to_say("Scaling rule"), options=("lora", "rslora", "constant"),
           help=to_say("The scale s: α/r in LoRA, α/√r in rsLoRA (Kalajdzievski 2023), or α at every rank.")),
    Choice(id="sigma", label=to_say("σ of both factors"), options=("0.02", "0.1", "0.5"),
           help=to_say("Standard deviation of the entries of A and of B, where both are random."), default="0.5"),
    Choice(id="steps", label=to_say("Steps"), options=(50, 100, 200, 300, 500, 1000),
           help=to_say("The number of training steps.")),
    Choice(id="weights_dtype", label=to_say("Weights stored as"), options=("float64", "float32", "float16", "bfloat16"),
           help=to_say("The number format of weights, factors and inputs."), default="bfloat16"),
    Choice(id="change", label=to_say("The digits are now"), options=("rotated", "relabelled", "permuted", "inverted"),
           help=to_say("Rotated: by 90°. Relabelled: every digit gets the name of the next one. Permuted: pixels "
                       "shuffled, always in the same order. Inverted: black and white swapped."), default="rotated"),
    Choice(id="plane", label=to_say("Plane"), options=("learning_rates", "rank_alpha"),
           help=to_say("What the map's axes are: the learning rates of A and of B, or the rank and α."),
           default="learning_rates"),
    Choice(id="map_row", label=to_say("Chosen cell, percent of the height"), options=tuple(range(100)),
           help=to_say("A click on the map sets it."), default=45),
    Choice(id="map_column", label=to_say("Chosen cell, percent of the width"), options=tuple(range(100)),
           help=to_say("A click on the map sets it."), default=45),
    Choice(id="weight_format", label=to_say("Base stored as"), options=("int8", "int4", "NF4"),
           help=to_say("int8: one scale per row. int4 and NF4: one scale per 64 weights, with 15 evenly spaced "
                       "levels or 16 at normal quantiles."),
           default="NF4"),
    Choice(id="second", label=to_say("The second adapter learnt"), options=("permuted", "relabelled", "rotated"),
           help=to_say("The first learnt rotated digits. Rotated ones again, from another initialisation, are the "
                       "easy case."),
           default="permuted"),
    Choice(id="error_axis", label=to_say("Error axis"), options=("linear", "log"),
           help=to_say("A logarithmic axis shows how near zero the error is."), default="linear"),
)  # fmt: skip
CONTROLS: dict[str, Choice] = {control.id: control for control in _ALL}
# The same field, with every kind of target.
TARGETS = Choice(id="task", label=to_say("What is to be learnt"), options=CHOICES["task"],
                 help=to_say("Low rank and full rank: random directions. Inside W's top: within its leading "
                             "directions. Rotation: W's outputs are rotated. Rows rescaled: W's rows change their "
                             "norm."))  # fmt: skip
# For whom words are explained: the visitor's own choice, which goes along from lesson to lesson.
LEVEL = Choice(id="level", label=to_say("Explain for"), options=LEVELS,
               help=to_say("How many terms are explained and which sections are open: for newcomers the maths is "
                           "folded away, for experts the additional controls are shown. The numbers stay the same."),
                           default="practitioner",
               names={"newcomer": to_say("newcomer"), "practitioner": to_say("practitioner"),
                      "expert": to_say("expert")})  # fmt: skip
