"""PEFT's "gaussian": A normal with standard deviation 1/r, B zero."""

from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Start, gaussian_A, zero_B

PLACE = 5
START = Start(
    short=to_say("Gaussian, 1/r"),
    label=to_say("PEFT “gaussian”: std 1/r"),
    rule=r"A \sim \mathcal{N}(0, 1/r^2), \quad B = 0",
    source="PEFT 0.21, init_lora_weights=“gaussian”",
    factors=lambda e, task: (gaussian_A(e, 1 / e.rank), zero_B(e)),
)
