"""OLoRA: A and B begin as the first rows and columns of W's QR decomposition."""

from lora_viz.layer.parametrisation import Variant

PLACE = 8

VARIANT = Variant(
    name="olora",
    title="OLoRA",
    rule=r"W = (W - s B_0 A_0) + s\,BA, \quad W = QR, \; B_0 = Q_{:,1..r}, \; A_0 = R_{1..r}",
    authors="Büyükakyüz",
    year=2024,
    arxiv="2406.01775",
    parameters=lambda e: e.rank * (e.d_in + e.d_out),
    sets={"init": "olora"},
)
