"""A normal with variance 2/d_in, B zero."""

import math

from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Start, gaussian_A, zero_B

PLACE = 9
START = Start(
    short=to_say("variance 2/d"),
    label=to_say("variance 2/d_in"),
    rule=r"A \sim \mathcal{N}(0, 2/d_\mathrm{in}), \quad B = 0",
    source=to_say("He et al. 2015, arXiv:1502.01852: the gain for ReLU"),
    factors=lambda e, task: (gaussian_A(e, math.sqrt(2 / e.d_in)), zero_B(e)),
)
