"""The first update in closed form: what training really does, and the laws of its size."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import CHOICES, Experiment, ExperimentError, Sweep
from lora_viz.core.spectra import full_gradient
from lora_viz.engine.training import train
from lora_viz.layer.first_step import first_updates

STARTS = ("B_zero", "variance_1_over_r", "gaussian")


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_closed_form_is_the_trained_step(small: Experiment, optimizer: str) -> None:
    e = replace(small, steps=1, optimizer=optimizer, init_seed=2)
    found = first_updates(e, ranks=(1, 2, 5), inits=STARTS, seeds=3)
    sweep = Sweep.over(e, init=STARTS, scaling_rule=CHOICES["scaling_rule"], rank=(1, 2, 5), init_seed=(2, 3, 4))
    run = train(sweep, records=2)
    o = found.optimizers.index(optimizer)
    delta = np.stack([run.delta_weight(i)[1] for i in range(len(sweep))])
    G = full_gradient(run)[0]
    size = np.linalg.norm(delta, axis=(1, 2))
    progress = -np.sum(delta * G, axis=(1, 2)) / np.linalg.norm(G)
    np.testing.assert_allclose(found.size[o].ravel(), size, rtol=1e-6)  # Adam's ε is 0 in the closed form
    np.testing.assert_allclose(found.progress[o].ravel(), progress, rtol=1e-6)
    np.testing.assert_allclose(found.grad_B.ravel(), run.grad_B_norm[0], rtol=1e-12)


def test_only_starts_with_b_zero_have_this_closed_form(small: Experiment) -> None:
    with pytest.raises(ExperimentError, match="init=both_random starts with B ≠ 0"):
        first_updates(small, ranks=(1,), inits=("both_random",))


def test_no_update_at_all_is_larger_than_its_useful_part(small: Experiment) -> None:
    found = first_updates(small, ranks=(1, 2, 5), inits=STARTS)
    assert (found.progress > 0).all()
    assert (found.progress <= found.size).all()
