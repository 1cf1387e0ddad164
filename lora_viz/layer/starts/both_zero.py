"""Both factors zero: a saddle that no gradient leaves."""

from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Start, zero_A, zero_B

PLACE = 3
START = Start(
    short=to_say("both 0"),
    label=to_say("both 0"),
    rule=r"A = 0, \quad B = 0",
    source=to_say("a saddle"),
    factors=lambda e, task: (zero_A(e), zero_B(e)),
)
