"""OLoRA: the first rows and columns of W's QR decomposition."""

import numpy as np

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Task
from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Factors, Start

PLACE = 13


def factors(e: Experiment, task: Task) -> Factors:
    q, r = np.linalg.qr(task.base_weight)
    return r[: e.rank], q[:, : e.rank]


START = Start(
    short="OLoRA",
    label=to_say("OLoRA: QR of W"),
    rule=r"W = QR, \quad B = Q_{:,1..r}, \; A = R_{1..r}, \quad W \to W - s\,BA",
    source="Büyükakyüz 2024, arXiv:2406.01775",
    factors=factors,
    moves_base=True,
)
