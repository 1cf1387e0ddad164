"""rsLoRA: the same with α/√r, so that the first update does not shrink as the rank grows."""

from lora_viz.layer.parametrisation import Variant

PLACE = 2

VARIANT = Variant(
    name="rslora",
    title="rsLoRA",
    rule=r"\Delta W = \tfrac{\alpha}{\sqrt r}\,BA",
    authors="Kalajdzievski",
    year=2023,
    arxiv="2312.03732",
    parameters=lambda e: e.rank * (e.d_in + e.d_out),
    sets={"scaling_rule": "rslora"},
)
