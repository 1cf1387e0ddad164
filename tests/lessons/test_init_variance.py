"""How large a start is: rσ⁴, the variances that libraries draw, and what is left of ‖x‖²."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from lora_viz.core.experiment import Experiment, ExperimentError
from lora_viz.film.paper import printed
from lora_viz.layer.start_sizes import start_sizes
from lora_viz.layer.starts import initial_factors
from lora_viz.layer.tasks import make_task
from lora_viz.lessons.training.init_size import PART as LESSON
from lora_viz.lessons.training.init_size import STARTS, InitVariance, film, init_variance, takeaway

RANKS = (1, 2, 4, 8, 16, 32)
WIDE = Experiment(d_in=97, d_out=89, samples=128, rank=1)


@pytest.fixture(scope="module")
def wide() -> InitVariance:
    return init_variance(start_sizes(WIDE, ranks=RANKS, inits=STARTS, sigma=0.5), WIDE.d_in)


def test_entries_have_variance_r_sigma_to_the_fourth(wide: InitVariance) -> None:
    np.testing.assert_allclose(wide.rms[1, 0] ** 2, np.array(RANKS) * 0.5**4, rtol=0.08)
    np.testing.assert_allclose(wide.rms_slope, [0.5, 0.0, -0.5], atol=0.02)


def test_the_histogram_is_a_density_under_the_envelope(wide: InitVariance) -> None:
    width = wide.bins[1] - wide.bins[0]
    mass = np.nansum(wide.density, axis=1) * width
    assert (mass > 0.99).all()
    assert (mass <= 1 + 1e-12).all()
    std = np.sqrt(np.nansum(wide.density * wide.bins**2, axis=1) * width)
    np.testing.assert_allclose(std[2:], np.sqrt(np.array(RANKS)[2:]) * 0.25, rtol=0.08)
    bell = np.nansum(wide.normal, axis=1) * width
    np.testing.assert_allclose(bell[2:], 1, atol=0.02)
    np.testing.assert_allclose(np.nansum(wide.normal * wide.bins**2, axis=1)[2:] * width, std[2:] ** 2, rtol=0.2)


@pytest.mark.parametrize("init", STARTS)
def test_each_start_has_the_variance_of_its_rule(wide: InitVariance, init: str) -> None:
    i = wide.inits.index(init)
    np.testing.assert_allclose(wide.variance[1, i], wide.expected[i], rtol=0.08)
    np.testing.assert_allclose(wide.output[1, i], wide.expected[i] * RANKS, rtol=0.08)


@pytest.mark.parametrize(("init", "option"), [("B_zero", True), ("gaussian", "gaussian")])
def test_libraries_really_draw_these(wide: InitVariance, init: str, option: bool | str) -> None:
    torch.manual_seed(0)
    for j, rank in enumerate(RANKS):
        net = nn.Sequential()
        net.add_module("fc", nn.Linear(WIDE.d_in, WIDE.d_out))
        config = LoraConfig(r=rank, target_modules=["fc"], init_lora_weights=option)  # type: ignore[arg-type]
        drawn = get_peft_model(net, config).base_model.model.fc.lora_A["default"].weight
        assert float(drawn.detach().var()) == pytest.approx(wide.expected[wide.inits.index(init), j], rel=0.35)


def test_the_output_is_that_of_the_samples(wide: InitVariance) -> None:
    e = replace(WIDE, condition=10.0, rank=4)
    sizes = start_sizes(e, ranks=(4,), inits=("gaussian",), sigma=0.1, seeds=1)
    x = make_task(e).inputs
    a, _ = initial_factors(replace(e, init="gaussian"))
    assert sizes.output[0, 0, 0] == pytest.approx(np.sum((x @ a.T) ** 2) / np.sum(x**2), rel=1e-12)


def test_sigma_is_kept_and_bounded() -> None:
    assert start_sizes(WIDE, ranks=(3,), inits=(), sigma=0.02).rms.mean() == pytest.approx(3**0.5 * 4e-4, rel=0.05)
    with pytest.raises(ExperimentError, match="init_scale"):
        start_sizes(WIDE, ranks=(3,), inits=(), sigma=5.0)


def test_what_is_said_is_what_was_measured(wide: InitVariance) -> None:
    assert "r^0.5 with s = 1, r^0 with 1/√r and r^−0.5 with 1/r" in takeaway(wide)
    assert film(wide).narration[0].endswith("r·σ⁴ is 0.0625.")


def test_the_figure_draws_the_record(wide: InitVariance) -> None:
    drawn = printed(film(wide), LESSON.on_paper, theme="dark").data
    assert [curve.name for curve in drawn] == ["s = 1 (slope 0.5)", "1/√r (slope 0)", "1/r (slope −0.5)"]
    for curve, expected in zip(drawn, wide.rms[1], strict=True):
        np.testing.assert_array_equal(curve.x, RANKS)
        np.testing.assert_array_equal(curve.y, expected)
