"""EVA: A along the inputs' main directions, B zero."""

import numpy as np

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Task
from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Factors, Start, zero_B

PLACE = 15


def factors(e: Experiment, task: Task) -> Factors:
    vectors = np.linalg.eigh(task.input_covariance)[1][:, ::-1]  # largest first: X's right singular vectors
    return vectors[:, : e.rank].T.copy(), zero_B(e)


START = Start(
    short="EVA",
    label=to_say("EVA: the inputs' main directions"),
    rule=r"X = U\Sigma V^\top, \quad A = V_{1..r}^\top, \quad B = 0",
    source=to_say(
        "Paischer et al. 2024, arXiv:2410.07170 (without its redistribution of ranks); isotropic inputs have no main "
        "directions"
    ),
    factors=factors,
)
