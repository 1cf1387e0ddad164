"""MiLoRA: the smallest singular triplets of W."""

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Task
from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Factors, Start, even_split, triplets

PLACE = 12


def factors(e: Experiment, task: Task) -> Factors:
    u, sigma, vt = triplets(task, "W")
    return even_split(u[:, -e.rank :], sigma[-e.rank :], vt[-e.rank :], e)


START = Start(
    short="MiLoRA",
    label=to_say("MiLoRA: W's smallest triplets"),
    rule=r"s\,BA = U_{-r..}\Sigma_{-r..}V_{-r..}^\top, \quad W \to W - s\,BA",
    source="Wang et al. 2024, arXiv:2406.09044",
    factors=factors,
    moves_base=True,
)
