"""PiSSA: the largest singular triplets of W train, the rest is frozen."""

from lora_viz.layer.parametrisation import Variant

PLACE = 6

VARIANT = Variant(
    name="pissa",
    title="PiSSA",
    rule=r"W = (W - s B_0 A_0) + s\,BA, \quad s B_0 A_0 = U_r \Sigma_r V_r^\top",
    authors="Meng, Wang & Zhang",
    year=2024,
    arxiv="2404.02948",
    parameters=lambda e: e.rank * (e.d_in + e.d_out),
    sets={"init": "pissa"},
)
