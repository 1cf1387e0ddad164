"""The truncated SVD of the update that training is to find."""

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Task
from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Factors, Start, even_split, triplets

PLACE = 16


def factors(e: Experiment, task: Task) -> Factors:
    u, sigma, vt = triplets(task, "target")
    return even_split(u[:, : e.rank], sigma[: e.rank], vt[: e.rank], e)


START = Start(
    short=to_say("SVD of the target"),
    label=to_say("SVD of the target (oracle)"),
    rule=r"s\,BA = [\Delta W^*]_r",
    source=to_say("needs the update that training is to find"),
    factors=factors,
    cheats=True,
)
