"""Scaling: what α, the rank and the rate do to a step, first and over a training."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.training import alpha, scaling_first_step, scaling_training

__all__ = ["LESSON"]

LESSON = joined(
    scaling_first_step.PART, scaling_training.PART, alpha.PART,
    id="scaling", menu=to_say("Scaling and α"), title=to_say("Scaling: what do α and the rank do to a step?"),
    claim=to_say("The size of a step depends on s = α/r, on the optimiser and on the initialisation of A. α is "
                 "not a second learning rate."),
    place=50,
)  # fmt: skip
