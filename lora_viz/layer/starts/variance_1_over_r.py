"""A normal with variance 1/r, B zero."""

import math

from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Start, gaussian_A, zero_B

PLACE = 8
START = Start(
    short=to_say("variance 1/r"),
    label=to_say("variance 1/r"),
    rule=r"A \sim \mathcal{N}(0, 1/r), \quad B = 0",
    source=to_say("keeps E‖Ax‖² = ‖x‖² for any r; no library's default"),
    factors=lambda e, task: (gaussian_A(e, 1 / math.sqrt(e.rank)), zero_B(e)),
)
