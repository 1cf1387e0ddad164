"""LoRA-GA: A and B begin along singular directions of the first full gradient, so that the first step follows it."""

from lora_viz.i18n.language import to_say
from lora_viz.layer.parametrisation import Variant

PLACE = 9

VARIANT = Variant(
    name="lora_ga",
    title="LoRA-GA",
    rule=(r"W = (W - s B_0 A_0) + s\,BA, \quad G_0 = U\Sigma V^\top, \; A_0 = c V_{1..r}^\top, \; B_0 = c U_{r+1..2r}"),
    authors="Wang, Yu & Li",
    year=2024,
    arxiv="2407.05000",
    parameters=lambda e: e.rank * (e.d_in + e.d_out),
    sets={"init": "lora_ga"},
    remark=to_say(
        "PEFT 0.21 multiplies B₀ by its singular values too and leaves A₀ unscaled; here both are the authors'."
    ),
)
