"""Which questions do the pages on starts and training ask? View options, and fields under a label of their own."""

from __future__ import annotations

from dataclasses import replace

from lora_viz.i18n.language import to_say
from lora_viz.lessons.training.init_alignment import STARTS as ALIGNED_STARTS
from lora_viz.lessons.training.rank_over_time import SIZES
from lora_viz.lessons.training.scaling import STARTS as FIRST_STARTS
from lora_viz.ui.controls import CONTROLS, Control

__all__ = ["TRAINING_CONTROLS"]

# By what is asked, since several ask for the same field.
TRAINING_CONTROLS: dict[str, Control] = {
    "sees": Control(
        name="sees",
        label=to_say("Each step sees"),
        options=("same samples", "new samples"),
        help=to_say("The same n samples at every step, or n others of 256 each time."),
        default="same samples",
        names={"same samples": to_say("same samples"), "new samples": to_say("new samples")},
    ),
    "samples_shown": Control(
        name="samples",
        label=to_say("Samples n, for the bars"),
        options=SIZES,
        help=to_say("Whose singular values are shown beside."),
    ),
    "stretched": Control(
        name="stretched",
        label=to_say("What is stretched"),
        options=("target", "inputs"),
        help=to_say("κ is the target's σ₁/σ_r, or the condition number of the inputs' covariance."),
        default="target",
        names={"target": to_say("target"), "inputs": to_say("inputs")},
    ),
    "start_below": Control(
        name="init",
        label=to_say("Start, below"),
        options=("both_random_small", "B_zero"),
        help=to_say("Whose loss and ΔW are shown below: both factors of size 10⁻³, or LoRA's own."),
    ),
    "beside_own": replace(
        CONTROLS["init"].only(*(name for name in ALIGNED_STARTS if name != "B_zero")),
        label=to_say("Beside LoRA's own start"),
        help=to_say("Whose first update is drawn beside that of LoRA's own start."),
    ),
    "how_A_starts": replace(
        CONTROLS["init"].only(*FIRST_STARTS),
        label=to_say("How A starts"),
        help=to_say(
            "Kaiming is PEFT's own, uniform within ±1/√d_in; variance 1/r that of textbooks; Gaussian PEFT's "
            "option of that name, of standard deviation 1/r. B is 0 in all."
        ),
        names={"B_zero": to_say("Kaiming"), "gaussian": to_say("Gaussian")},
    ),
    "rank_goes_to": replace(CONTROLS["d_in"].only(64, 128, 256), help=to_say("Rank goes up to this.")),
}
