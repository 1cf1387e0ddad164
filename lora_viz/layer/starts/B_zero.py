"""LoRA's own start: A uniform, B zero."""

from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Start, uniform_A, zero_B

PLACE = 1
START = Start(
    short=to_say("B = 0"),
    label=to_say("LoRA: A uniform, B = 0"),
    rule=r"A \sim \mathcal{U}(\pm 1/\sqrt{d_\mathrm{in}}), \quad B = 0",
    source=to_say(
        "microsoft/LoRA and PEFT: kaiming_uniform(a=√5), of variance 1/(3 d_in); the paper says Gaussian "
        "(Hu et al. 2021, §4.1)"
    ),
    factors=lambda e, task: (uniform_A(e), zero_B(e)),
)
