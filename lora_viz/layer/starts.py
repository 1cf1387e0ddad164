"""With which A and B does training start? One registry of starts: the rule of each, its source, and its factors.

A start either leaves the base weight alone, and then ΔW₀ = s·B₀A₀, or moves it to W − s·B₀A₀ so that the layer
computes what it did before; then ΔW = s(B A − B₀A₀), the layer's weight minus the original one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from lora_viz.core.experiment import Experiment, ExperimentError
from lora_viz.core.random_streams import stream
from lora_viz.core.run import Task
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.tasks import make_task

__all__ = ["INITS", "LORA_GA_GAMMA", "Factors", "Init", "base_shift", "initial_factors"]

Factors = tuple[np.ndarray, np.ndarray]

SMALL = 0.01  # of LoRA's own scale for A: small enough that training starts at a saddle
LORA_GA_GAMMA = 16.0


@dataclass(frozen=True, slots=True)
class Init:
    """One start. ``factors`` gives A (rank, d_in) and B (d_out, rank) in float64; ``rule`` is LaTeX.

    ``moves_base``: the base weight becomes W − s·B₀A₀, and the layer computes the same at step 0.
    ``cheats``: it needs the answer that training is to find.
    """

    name: str
    label: str
    rule: str
    source: str
    factors: Callable[[Experiment, Task], Factors]
    moves_base: bool = False
    cheats: bool = False


def _uniform(name: str, e: Experiment, width: int, bound: float) -> Float[np.ndarray, "r width"]:
    # Drawn row by row: rank r's rows are the first r of rank r+1's. B's columns are drawn as rows for the same reason.
    return stream(name, e.seed, e.init_seed).uniform(-1, 1, (e.rank, width)) * bound


def _uniform_a(e: Experiment, scale: float = 1.0) -> np.ndarray:
    return _uniform("A", e, e.d_in, scale / math.sqrt(e.d_in))


def _uniform_b(e: Experiment, bound: float | None = None) -> np.ndarray:
    return _uniform("B", e, e.d_out, 1 / math.sqrt(e.rank) if bound is None else bound).T


def _gaussian_a(e: Experiment, std: float) -> np.ndarray:
    return stream("A gaussian", e.seed, e.init_seed).standard_normal((e.rank, e.d_in)) * std


def _zero_a(e: Experiment) -> np.ndarray:
    return np.zeros((e.rank, e.d_in))


def _zero_b(e: Experiment) -> np.ndarray:
    return np.zeros((e.d_out, e.rank))


def _orthogonal(e: Experiment, task: Task) -> Factors:
    """PEFT's: A and B live in orthogonal halves of R^r. PEFT refuses an odd rank; here A takes the row left over."""
    rng = stream("orthogonal", e.seed, e.init_seed)
    q = np.linalg.qr(rng.standard_normal((e.rank, e.rank)))[0]
    odd, even = q[0::2], q[1::2]
    a = (rng.standard_normal((e.d_in, len(odd))) @ odd).T / 10
    return a, rng.standard_normal((len(even), e.d_out)).T @ even / 10


def _split(u: np.ndarray, sigma: np.ndarray, vt: np.ndarray, e: Experiment) -> Factors:
    """Factors of equal weight with s·B A = U Σ Vᵀ."""
    if e.scaling == 0:
        raise ExperimentError(
            say(
                "alpha={alpha:g} is not possible with init={init}: its factors are divided by s.",
                alpha=e.alpha,
                init=e.init,
            )
        )
    root = np.sqrt(sigma / e.scaling)
    return root[:, None] * vt, u * root


@lru_cache(maxsize=32)
def _triplets(task: Task, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    matrix = {"W": task.base_weight, "target": task.target_delta, "G": -task.cross_covariance}[what]
    return np.linalg.svd(matrix, full_matrices=False)


def _pissa(e: Experiment, task: Task) -> Factors:
    u, sigma, vt = _triplets(task, "W")
    return _split(u[:, : e.rank], sigma[: e.rank], vt[: e.rank], e)


def _milora(e: Experiment, task: Task) -> Factors:
    u, sigma, vt = _triplets(task, "W")
    return _split(u[:, -e.rank :], sigma[-e.rank :], vt[-e.rank :], e)


def _olora(e: Experiment, task: Task) -> Factors:
    q, r = np.linalg.qr(task.base_weight)
    return r[: e.rank], q[:, : e.rank]


def _lora_ga(e: Experiment, task: Task) -> Factors:
    """Of G₀ = ∂L/∂W on all samples. Where there are no 2r directions, B takes the last r."""
    u, _, vt = _triplets(task, "G")
    first = min(e.rank, u.shape[1] - e.rank)
    scale = e.d_out**0.25 / math.sqrt(LORA_GA_GAMMA)
    return scale * vt[: e.rank], scale * u[:, first : first + e.rank]


def _eva(e: Experiment, task: Task) -> Factors:
    vectors = np.linalg.eigh(task.input_covariance)[1][:, ::-1]  # largest first: X's right singular vectors
    return vectors[:, : e.rank].T.copy(), _zero_b(e)


def _svd_of_answer(e: Experiment, task: Task) -> Factors:
    u, sigma, vt = _triplets(task, "target")
    return _split(u[:, : e.rank], sigma[: e.rank], vt[: e.rank], e)


_U = r"\mathcal{U}(\pm 1/\sqrt{d_\mathrm{in}})"
_ALL = (
    Init(
        "B_zero",
        to_say("LoRA: A uniform, B = 0"),
        rf"A \sim {_U}, \quad B = 0",
        to_say(
            "microsoft/LoRA and PEFT: kaiming_uniform(a=√5), of variance 1/(3 d_in); the paper says Gaussian "
            "(Hu et al. 2021, §4.1)"
        ),
        lambda e, task: (_uniform_a(e), _zero_b(e)),
    ),
    Init(
        "A_zero",
        to_say("A = 0, B uniform"),
        r"A = 0, \quad B \sim \mathcal{U}(\pm 1/\sqrt{r})",
        to_say("Init[B] of Hayou, Ghosh & Yu 2024, arXiv:2406.08447"),
        lambda e, task: (_zero_a(e), _uniform_b(e)),
    ),
    Init(
        "both_zero",
        to_say("both 0"),
        r"A = 0, \quad B = 0",
        to_say("a saddle"),
        lambda e, task: (_zero_a(e), _zero_b(e)),
    ),
    Init(
        "both_random",
        to_say("both random"),
        rf"A \sim {_U}, \quad B \sim \mathcal{{U}}(\pm 1/\sqrt{{r}})",
        to_say("what nn.Linear's own start would give"),
        lambda e, task: (_uniform_a(e), _uniform_b(e)),
    ),
    Init(
        "gaussian",
        to_say("PEFT “gaussian”: std 1/r"),
        r"A \sim \mathcal{N}(0, 1/r^2), \quad B = 0",
        "PEFT 0.21, init_lora_weights=“gaussian”",
        lambda e, task: (_gaussian_a(e, 1 / e.rank), _zero_b(e)),
    ),
    Init(
        "A_zero_small",
        to_say("A = 0, B at A's scale"),
        r"A = 0, \quad B \sim \mathcal{U}(\pm 1/\sqrt{d_\mathrm{in}})",
        to_say("Init[B] without its scale: a control"),
        lambda e, task: (_zero_a(e), _uniform_b(e, 1 / math.sqrt(e.d_in))),
    ),
    Init(
        "both_random_small",
        to_say("both random, a hundredth"),
        r"A, B \sim \mathcal{U}(\pm 0.01/\sqrt{d_\mathrm{in}})",
        to_say("small symmetric start: training leaves the saddle direction by direction"),
        lambda e, task: (_uniform_a(e, SMALL), _uniform_b(e, SMALL / math.sqrt(e.d_in))),
    ),
    Init(
        "variance_1_over_r",
        to_say("variance 1/r"),
        r"A \sim \mathcal{N}(0, 1/r), \quad B = 0",
        to_say("keeps E‖Ax‖² = ‖x‖² whatever r; no library's default"),
        lambda e, task: (_gaussian_a(e, 1 / math.sqrt(e.rank)), _zero_b(e)),
    ),
    Init(
        "kaiming_variance",
        to_say("variance 2/d_in"),
        r"A \sim \mathcal{N}(0, 2/d_\mathrm{in}), \quad B = 0",
        to_say("He et al. 2015, arXiv:1502.01852: the gain for ReLU"),
        lambda e, task: (_gaussian_a(e, math.sqrt(2 / e.d_in)), _zero_b(e)),
    ),
    Init(
        "orthogonal",
        to_say("orthogonal: both move, BA = 0"),
        r"A = (N Q_\mathrm{odd})^\top/10, \quad B = N'^\top Q_\mathrm{even}/10",
        "PEFT 0.21, init_lora_weights=“orthogonal”",
        _orthogonal,
    ),
    Init(
        "pissa",
        to_say("PiSSA: W's largest triplets"),
        r"s\,BA = U_{1..r}\Sigma_{1..r}V_{1..r}^\top, \quad W \to W - s\,BA",
        "Meng, Wang & Zhang 2024, arXiv:2404.02948",
        _pissa,
        moves_base=True,
    ),
    Init(
        "milora",
        to_say("MiLoRA: W's smallest triplets"),
        r"s\,BA = U_{-r..}\Sigma_{-r..}V_{-r..}^\top, \quad W \to W - s\,BA",
        "Wang et al. 2024, arXiv:2406.09044",
        _milora,
        moves_base=True,
    ),
    Init(
        "olora",
        to_say("OLoRA: QR of W"),
        r"W = QR, \quad B = Q_{:,1..r}, \; A = R_{1..r}, \quad W \to W - s\,BA",
        "Büyükakyüz 2024, arXiv:2406.01775",
        _olora,
        moves_base=True,
    ),
    Init(
        "lora_ga",
        to_say("LoRA-GA: the first gradient"),
        r"G_0 = U\Sigma V^\top, \quad A = c\,V_{1..r}^\top, \; B = c\,U_{r+1..2r}, \quad "
        r"c = d_\mathrm{out}^{1/4}/\sqrt{16}, \quad W \to W - s\,BA",
        to_say(
            "Wang, Yu & Li 2024, arXiv:2407.05000 (ArB2r, stable scale, as in the authors' code; PEFT 0.21 multiplies "
            "B by Σ as well and scales B alone)"
        ),
        _lora_ga,
        moves_base=True,
    ),
    Init(
        "eva",
        to_say("EVA: the inputs' main directions"),
        r"X = U\Sigma V^\top, \quad A = V_{1..r}^\top, \quad B = 0",
        to_say(
            "Paischer et al. 2024, arXiv:2410.07170 (without its redistribution of ranks); round inputs have no main "
            "directions"
        ),
        _eva,
    ),
    Init(
        "svd_of_answer",
        to_say("SVD of the answer (cheating)"),
        r"s\,BA = [\Delta W^*]_r",
        to_say("needs the update that training is to find"),
        _svd_of_answer,
        cheats=True,
    ),
    Init(
        "identity",
        "A = I, B = 0",
        r"A = I, \quad B = 0",
        to_say("with A frozen, rank d_in ≤ d_out and s = 1 it is full fine-tuning, for then ΔW = B"),
        lambda e, task: (np.eye(e.rank, e.d_in), _zero_b(e)),
    ),
)
INITS: dict[str, Init] = {init.name: init for init in _ALL}


def initial_factors(
    experiment: Experiment, task: Task | None = None
) -> tuple[Float[np.ndarray, "r d_in"], Float[np.ndarray, "d_out r"]]:
    """With which A and B does this experiment start? float64, from streams that nothing else draws from.

    Raises ExperimentError where a start divides by s and s is 0.
    """
    a, b = INITS[experiment.init].factors(experiment, make_task(experiment) if task is None else task)
    return a * experiment.init_scale, b * experiment.init_scale


def base_shift(experiment: Experiment, task: Task | None = None) -> Float[np.ndarray, "d_out d_in"] | None:
    """By how much does this start move the base weight? −s·B₀A₀, or None where it leaves it alone."""
    if not INITS[experiment.init].moves_base:
        return None
    a, b = initial_factors(experiment, task)
    return -experiment.scaling * (b @ a)
