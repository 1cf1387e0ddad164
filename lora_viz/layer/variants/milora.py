"""MiLoRA: the smallest singular triplets of W train, the rest is frozen."""

from lora_viz.layer.parametrisation import Variant

PLACE = 7

VARIANT = Variant(
    name="milora",
    title="MiLoRA",
    rule=r"W = (W - s B_0 A_0) + s\,BA, \quad s B_0 A_0 = U_{-r} \Sigma_{-r} V_{-r}^\top",
    authors="Wang et al.",
    year=2024,
    arxiv="2406.09044",
    parameters=lambda e: e.rank * (e.d_in + e.d_out),
    sets={"init": "milora"},
)
