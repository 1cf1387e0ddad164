"""Both factors uniform at a hundredth of the usual scale of A."""

import math

from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Start, uniform_A, uniform_B

PLACE = 7
SMALL = 0.01  # of LoRA's own scale for A: small enough that training starts at a saddle
START = Start(
    short=to_say("both small"),
    label=to_say("both random, a hundredth"),
    rule=r"A, B \sim \mathcal{U}(\pm 0.01/\sqrt{d_\mathrm{in}})",
    source=to_say("small symmetric start: training leaves the saddle direction by direction"),
    factors=lambda e, task: (uniform_A(e, SMALL), uniform_B(e, SMALL / math.sqrt(e.d_in))),
)
