"""LoftQ: as QLoRA, but A and B begin where they make up for the quantisation."""

import numpy as np

from lora_viz.core.experiment import Experiment, ExperimentError
from lora_viz.core.run import Task
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.parametrisation import Arrays, LowRank, Variant
from lora_viz.layer.quantise import loftq

PLACE = 14

ROUNDS = 5


class OverLoftQ(LowRank):
    """W′ = Q + s·B A with Q and s·B₀A₀ found by turns, five rounds (PEFT's default is one). The split is even, over s.

    PEFT leaves s out: there s·B₀A₀ is the best low-rank part of W − Q only where α = r.
    """

    def start(self, e: Experiment, task: Task) -> tuple[Arrays, Arrays]:
        if e.scaling == 0:
            raise ExperimentError(
                say("alpha={alpha:g} is not possible with variant=loftq: its factors are divided by s.", alpha=e.alpha)
            )
        quantised, a, b = loftq(task.base_weight, e.rank, ROUNDS)
        return {"A": a / np.sqrt(e.scaling), "B": b / np.sqrt(e.scaling)}, {"shift": quantised - task.base_weight}


VARIANT = Variant(
    name="loftq",
    title="LoftQ",
    rule=(r"W' = Q + s\,BA, \quad Q \leftarrow \mathrm{NF4}(W - s\,BA), \; s\,BA \leftarrow [W - Q]_r \; (5 \times)"),
    authors="Li et al.",
    year=2023,
    arxiv="2310.08659",
    parameters=lambda e: e.rank * (e.d_in + e.d_out),
    form=OverLoftQ(),
    remark=to_say("PEFT's default is one round, and it leaves s out of the split."),
)
