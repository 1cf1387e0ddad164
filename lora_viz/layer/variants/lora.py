"""LoRA: two thin factors beside a frozen weight."""

from lora_viz.layer.parametrisation import Variant

PLACE = 1

VARIANT = Variant(
    name="lora",
    title="LoRA",
    rule=r"\Delta W = \tfrac{\alpha}{r}\,BA, \quad B_0 = 0",
    authors="Hu et al.",
    year=2021,
    arxiv="2106.09685",
    parameters=lambda e: e.rank * (e.d_in + e.d_out),
)
