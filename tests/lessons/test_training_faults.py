"""Each fault against what it must do: gradients by hand, a head trained alone, factors rounded by another way."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lora_viz.core.experiment import Experiment
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.real.training_faults import LESSON, TrainingFaults
from lora_viz.networks.training_faults import FAULTS, PLACES, Attempt, base_tensors

STEPS = 23


def played(fault: str, **change: object) -> Played[TrainingFaults]:
    settings = LESSON.settings(fault=fault)
    e = replace(settings.experiment, steps=STEPS, **change)  # type: ignore[arg-type]
    return LESSON.played(replace(settings, experiment=e), Lab())


def both(fault: str) -> tuple[Attempt, Attempt]:
    return played(fault).record.attempts


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fault_leaves_nothing_and_the_remedy_learns(fault: str) -> None:
    found = played(fault)
    one, two = found.record.attempts
    assert one.loss[0] == two.loss[0], "the same start"
    assert one.delta[-1] == 0 < two.delta[-1]
    assert found.verdict is not None and found.verdict.holds is not False
    ids = [[f.id for f in diagnosis.findings] for diagnosis in found.record.diagnoses]
    assert ("wrapped_names" if fault == "names" else "untrained") in ids[0]
    assert not {"wrapped_names", "untrained", "partly_untrained"} & set(ids[1])


def test_gradients_below_the_least_number_of_fp16_are_0_and_a_scaler_brings_them_back() -> None:
    fault, remedy = both("fp16")
    full, _ = both("names")  # the same network and start in fp32, with outputs 500 times as large
    assert fault.grad_B[0] == 0 and (fault.training_loss == fault.training_loss[0]).all()
    assert remedy.grad_B[0] == pytest.approx(full.grad_B[0] * 0.002**2, rel=0.05)  # MSE: as the outputs' square


def test_a_block_whose_input_asks_for_nothing_gets_no_gradient_and_the_head_learns_alone() -> None:
    found = played("checkpointing")
    e: Experiment = found.settings.experiment
    fault, remedy = found.record.attempts
    assert any("None of the inputs have requires_grad=True" in said for said in fault.said) and not remedy.said
    W = {name: torch.tensor(w) for name, w in base_tensors(e, "checkpointing").items()}
    rng = np.random.default_rng([e.seed, 1903])
    for shape in ((19, 19), (19, 19), (13, 19), (19, 3), (3, 19), (19, 3), (3, 19)):
        rng.standard_normal(shape)  # what is drawn before the tokens
    h = torch.tensor(rng.standard_normal((256, 19)), dtype=torch.float32)
    rng = np.random.default_rng([e.seed, 1903])
    _ = [rng.standard_normal(shape) for shape in ((19, 19), (19, 19), (13, 19))]
    moved = [rng.standard_normal((19, 3)) @ rng.standard_normal((3, 19)) / (19 * 3**0.5) for _ in PLACES]
    wanted = h
    for place, delta in zip(PLACES, moved, strict=True):
        h = torch.tanh(h @ W[f"{place}.weight"].T)
        wanted = torch.tanh(wanted @ (W[f"{place}.weight"] + torch.tensor(delta, dtype=torch.float32)).T)
    wanted = wanted @ W["head.weight"].T
    head = W["head.weight"].clone().requires_grad_()
    optimizer, losses = torch.optim.Adam([head], lr=e.lr), []
    for _ in range(STEPS + 1):
        optimizer.zero_grad()
        loss = (h @ head.T - wanted).square().mean()
        losses.append(float(loss.detach()))
        loss.backward()
        optimizer.step()
    np.testing.assert_allclose(fault.training_loss, losses, rtol=1e-3)


def test_eight_bits_make_0_of_what_lies_below_half_their_least_number() -> None:
    one, two = both("stored")
    np.testing.assert_array_equal(one.training_loss, two.training_loss)
    for place in PLACES:
        kept = two.stored[f"{place}.lora_B.weight"].double().abs()
        assert 0 < kept.max() <= 2.0**-10 and kept.min() > 0
        assert not one.stored[f"{place}.lora_B.weight"].float().any()


def test_an_optimiser_that_is_built_first_leaves_the_gradients_to_add_up() -> None:
    fault, _ = both("optimizer")
    np.testing.assert_allclose(fault.grad_B[:STEPS], fault.grad_B[0] * np.arange(1, STEPS + 1), rtol=1e-4)
    assert (fault.loss == fault.loss[0]).all()


def test_keys_that_match_nothing_are_left_out_without_a_word() -> None:
    fault, remedy = both("names")
    assert (fault.taken, remedy.taken, fault.asked) == (0, 4, 4)
    np.testing.assert_array_equal(fault.training_loss, remedy.training_loss)
    np.testing.assert_allclose(remedy.loss, remedy.training_loss, rtol=1e-6)
    assert not fault.said


def test_it_does_not_claim_what_did_not_happen() -> None:
    assert played("stored", lr=0.2, alpha=0.1).verdict.holds is False, "B is large enough for 8 bits"  # type: ignore[union-attr]
    assert played("names", lr=1e-6).verdict.holds is None, "nothing was learnt with the remedy"  # type: ignore[union-attr]
