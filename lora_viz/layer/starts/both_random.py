"""Both factors uniform, as two linear layers would start."""

from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Start, uniform_A, uniform_B

PLACE = 4
START = Start(
    short=to_say("both random"),
    label=to_say("both random"),
    rule=r"A \sim \mathcal{U}(\pm 1/\sqrt{d_\mathrm{in}}), \quad B \sim \mathcal{U}(\pm 1/\sqrt{r})",
    source=to_say("what nn.Linear's own start would give"),
    factors=lambda e, task: (uniform_A(e), uniform_B(e)),
)
