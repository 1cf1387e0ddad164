"""A and B in orthogonal halves of R^r: both move, and BA = 0."""

import numpy as np

from lora_viz.core.experiment import Experiment
from lora_viz.core.random_streams import stream
from lora_viz.core.run import Task
from lora_viz.i18n.language import to_say
from lora_viz.layer.start import Factors, Start

PLACE = 10


def factors(e: Experiment, task: Task) -> Factors:
    """PEFT's: A and B live in orthogonal halves of R^r. PEFT refuses an odd rank; here A takes the row left over."""
    rng = stream("orthogonal", e.seed, e.init_seed)
    q = np.linalg.qr(rng.standard_normal((e.rank, e.rank)))[0]
    odd, even = q[0::2], q[1::2]
    a = (rng.standard_normal((e.d_in, len(odd))) @ odd).T / 10
    return a, rng.standard_normal((len(even), e.d_out)).T @ even / 10


START = Start(
    short=to_say("orthogonal"),
    label=to_say("orthogonal: both move, BA = 0"),
    rule=r"A = (N Q_\mathrm{odd})^\top/10, \quad B = N'^\top Q_\mathrm{even}/10",
    source="PEFT 0.21, init_lora_weights=“orthogonal”",
    factors=factors,
)
