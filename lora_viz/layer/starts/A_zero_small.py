"""A zero, B uniform at the scale that A has in LoRA's own start."""

import math

from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Start, uniform_B, zero_A

PLACE = 6
START = Start(
    short=to_say("A = 0, B small"),
    label=to_say("A = 0, B at A's scale"),
    rule=r"A = 0, \quad B \sim \mathcal{U}(\pm 1/\sqrt{d_\mathrm{in}})",
    source=to_say("Init[B] without its scale: a control"),
    factors=lambda e, task: (zero_A(e), uniform_B(e, 1 / math.sqrt(e.d_in))),
)
