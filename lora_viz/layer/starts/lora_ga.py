"""LoRA-GA: singular directions of the first full gradient."""

import math

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Task
from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Factors, Start, triplets

PLACE = 14
LORA_GA_GAMMA = 16.0


def factors(e: Experiment, task: Task) -> Factors:
    """Of G₀ = ∂L/∂W on all samples. Where there are no 2r directions, B takes the last r."""
    u, _, vt = triplets(task, "G")
    first = min(e.rank, u.shape[1] - e.rank)
    scale = e.d_out**0.25 / math.sqrt(LORA_GA_GAMMA)
    return scale * vt[: e.rank], scale * u[:, first : first + e.rank]


START = Start(
    short="LoRA-GA",
    label=to_say("LoRA-GA: the first gradient"),
    rule=(
        r"G_0 = U\Sigma V^\top, \quad A = c\,V_{1..r}^\top, \; B = c\,U_{r+1..2r}, \quad "
        r"c = d_\mathrm{out}^{1/4}/\sqrt{16}, \quad W \to W - s\,BA"
    ),
    source=to_say(
        "Wang, Yu & Li 2024, arXiv:2407.05000 (ArB2r, stable scale, as in the authors' code; PEFT 0.21 multiplies "
        "B by Σ as well and scales B alone)"
    ),
    factors=factors,
    moves_base=True,
)
