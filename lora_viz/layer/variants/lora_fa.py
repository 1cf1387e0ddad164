"""LoRA-FA: A stays as it was drawn, only B learns."""

from lora_viz.i18n.language import to_say
from lora_viz.layer.parametrisation import Variant

PLACE = 4

VARIANT = Variant(
    name="lora_fa",
    title="LoRA-FA",
    rule=r"\Delta W = s\,BA, \quad A = A_0",
    authors="L. Zhang et al.",
    year=2023,
    arxiv="2308.03303",
    parameters=lambda e: e.rank * e.d_out,
    sets={"frozen": "A"},
    remark=to_say(
        "PEFT's create_lorafa_optimizer also multiplies ∇B by (AAᵀ)⁻¹/s²; here B follows its plain gradient."
    ),
)
