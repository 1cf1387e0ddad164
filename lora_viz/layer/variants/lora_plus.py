"""LoRA+: B learns faster than A."""

from lora_viz.i18n.language import to_say
from lora_viz.layer.parametrisation import Variant

PLACE = 3

VARIANT = Variant(
    name="lora_plus",
    title="LoRA+",
    rule=r"\eta_B = 16\,\eta_A",
    authors="Hayou, Ghosh & Yu",
    year=2024,
    arxiv="2402.12354",
    parameters=lambda e: e.rank * (e.d_in + e.d_out),
    sets={"lr_ratio": 16.0},
    remark=to_say("The ratio is for wide layers; in layers as small as these it brings no speed by itself."),
)
