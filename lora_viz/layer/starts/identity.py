"""A is the identity, B zero."""

import numpy as np

from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Start, zero_B

PLACE = 17
START = Start(
    short=to_say("A = I"),
    label="A = I, B = 0",
    rule=r"A = I, \quad B = 0",
    source=to_say("with A frozen, rank d_in ≤ d_out and s = 1 it is full fine-tuning, for then ΔW = B"),
    factors=lambda e, task: (np.eye(e.rank, e.d_in), zero_B(e)),
)
