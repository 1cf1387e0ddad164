"""PiSSA: the largest singular triplets of W."""

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Task
from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Factors, Start, even_split, triplets

PLACE = 11


def factors(e: Experiment, task: Task) -> Factors:
    u, sigma, vt = triplets(task, "W")
    return even_split(u[:, : e.rank], sigma[: e.rank], vt[: e.rank], e)


START = Start(
    short="PiSSA",
    label=to_say("PiSSA: W's largest triplets"),
    rule=r"s\,BA = U_{1..r}\Sigma_{1..r}V_{1..r}^\top, \quad W \to W - s\,BA",
    source="Meng, Wang & Zhang 2024, arXiv:2404.02948",
    factors=factors,
    moves_base=True,
)
