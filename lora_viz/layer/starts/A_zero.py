"""The other way round: A zero, B uniform."""

from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Start, uniform_B, zero_A

PLACE = 2
START = Start(
    short=to_say("A = 0"),
    label=to_say("A = 0, B uniform"),
    rule=r"A = 0, \quad B \sim \mathcal{U}(\pm 1/\sqrt{r})",
    source=to_say("Init[B] of Hayou, Ghosh & Yu 2024, arXiv:2406.08447"),
    factors=lambda e, task: (zero_A(e), uniform_B(e)),
)
