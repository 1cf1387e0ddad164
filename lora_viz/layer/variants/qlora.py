"""QLoRA: plain LoRA over a base weight that is stored in 4 bits."""

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Task
from lora_viz.i18n.language import to_say
from lora_viz.layer.parametrisation import Arrays, LowRank, Variant
from lora_viz.layer.quantise import nf4
from lora_viz.layer.starts import base_shift, initial_factors

PLACE = 13


class OverNF4(LowRank):
    """ΔW = NF4(W) − W + s·B A: what quantisation did to the weight counts as part of the update, and of the loss."""

    def start(self, e: Experiment, task: Task) -> tuple[Arrays, Arrays]:
        a, b = initial_factors(e, task)
        shift = base_shift(e, task)
        base = task.base_weight if shift is None else task.base_weight + shift
        return {"A": a, "B": b}, {"shift": nf4(base) - task.base_weight}


VARIANT = Variant(
    name="qlora",
    title="QLoRA",
    rule=r"W' = \mathrm{NF4}(W) + s\,BA, \quad B_0 = 0",
    authors="Dettmers et al.",
    year=2023,
    arxiv="2305.14314",
    parameters=lambda e: e.rank * (e.d_in + e.d_out),
    form=OverNF4(),
    remark=to_say("Without the double quantisation of the blocks' scales."),
)
