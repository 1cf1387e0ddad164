"""Same experiment, same numbers: to the bit where processor and libraries are the same, to rounding where not."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lora_viz.core.run import Run
from lora_viz.engine.training import train
from tests.same_numbers import SWEEP, numbers

ROOT = Path(__file__).parent.parent
U = np.finfo(float).eps / 2
# What another processor has: no vector instructions beyond its platform's first ones, in all three libraries.
OLDER = {"ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Nehalem", "MKL_CBWR": "COMPATIBLE"}
THREADS = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}


def elsewhere(folder: Path, **environment: str) -> dict[str, np.ndarray]:
    """The numbers of a process with this environment."""
    out = folder / "numbers.npz"
    kept = {name: value for name, value in os.environ.items() if name not in (*OLDER, *THREADS)}
    subprocess.run(
        (sys.executable, "-m", "tests.same_numbers", str(out)), cwd=ROOT, env=kept | environment, check=True
    )  # fmt: skip
    with np.load(out) as found:
        return dict(found)


def furthest(run: Run, adapter: int) -> np.ndarray:
    """How far apart two processors' states can be after each step: ‖δ(A, B)‖_F to first order in u.

    A step is θ − η∇L(θ). It stretches what is apart by at most 1 + η‖H‖, where ‖H‖ ≤ s²‖C‖(‖A‖² + ‖B‖²) + s‖G‖ bounds
    the Hessian of ½‖(sBA − M)C^½‖²; and it adds what is rounded: a product of inner size m has an error of at most
    m·u·‖·‖_F‖·‖_F (Higham 2002, 3.13), in whatever order it is summed. Two of each, for both round.
    """
    e, task = run.sweep[adapter], run.task
    A, B, s = run.A[adapter], run.B[adapter], e.scaling
    C, R = task.input_covariance, task.cross_covariance
    m = max(e.d_in, e.d_out, e.samples)  # the statistics' own products are over the samples
    apart = [m * U * np.hypot(np.linalg.norm(A[0]), np.linalg.norm(B[0]))]
    for a, b in zip(A[:-1], B[:-1], strict=True):
        norm_a, norm_b = np.linalg.norm(a), np.linalg.norm(b)
        gradient = s * norm_a * norm_b * np.linalg.norm(C) + np.linalg.norm(R)  # ‖G‖ without its cancellation
        hessian = s**2 * np.linalg.norm(C, 2) * (norm_a**2 + norm_b**2) + s * np.linalg.norm(s * b @ a @ C - R, 2)
        rounded = 5 * m * U * (np.hypot(norm_a, norm_b) + e.lr * s * gradient * np.hypot(norm_a, norm_b))
        apart.append((1 + e.lr * hessian) * apart[-1] + rounded)
    return 2 * np.array(apart)


def test_another_process_with_other_threads_has_the_same_bits(tmp_path: Path) -> None:
    here, there = numbers(), elsewhere(tmp_path, **THREADS)
    for name, value in here.items():
        np.testing.assert_array_equal(there[name], value, err_msg=name, strict=True)


def test_another_processor_agrees_to_rounding(tmp_path: Path) -> None:
    run, there = train(SWEEP), elsewhere(tmp_path, **OLDER)
    assert there["capability"] == "DEFAULT"
    for i in range(len(SWEEP)):
        bound = furthest(run, i)
        assert bound[-1] < 1e-9, "a bound that says nothing"
        apart = np.sqrt(sum(np.sum((there[f"{n}{i}"] - getattr(run, n)[i]) ** 2, axis=(1, 2)) for n in ("A", "B")))
        assert (apart <= bound).all(), (apart / bound).max()
    here = numbers()
    condition = np.linalg.cond(run.task.input_covariance)
    size = np.linalg.norm(here["best"])
    assert np.linalg.norm(there["best"] - here["best"]) <= 2 * 10 * len(run.task.inputs) * U * condition * size
    # Adam divides by what is nearly 0 where a gradient is: no bound follows, and only a coarse figure is promised.
    np.testing.assert_allclose(there["adam"], here["adam"], rtol=1e-2)


@pytest.mark.parametrize("size", [2, 5])
def test_who_shares_a_stack_shows_in_rounding_only(size: int) -> None:
    """Alone and beside another one."""
    i = (2, 5).index(size)
    alone = train(type(SWEEP)((SWEEP[i],)))
    together = train(SWEEP)
    bound = furthest(alone, 0)
    apart = np.sqrt(sum(np.sum((getattr(together, n)[i] - getattr(alone, n)[0]) ** 2, axis=(1, 2)) for n in ("A", "B")))
    assert (apart <= bound).all()
