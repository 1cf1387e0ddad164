"""What every variant promises, whichever it is."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lora_viz.core.experiment import CHOICES, Experiment, Sweep
from lora_viz.engine.training import available_devices, train
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants import VARIANTS, is_plain, resolved
from tests.variants.oracle import fields_of, stack_of_three, trained

ROOT = Path(__file__).parents[2]
# Who wrote it and where: the attributions, looked up apart from the code.
ATTRIBUTION = {
    "lora": ("Hu", 2021, "2106.09685"),
    "rslora": ("Kalajdzievski", 2023, "2312.03732"),
    "lora_plus": ("Hayou", 2024, "2402.12354"),
    "lora_fa": ("L. Zhang", 2023, "2308.03303"),
    "dora": ("Liu", 2024, "2402.09353"),
    "pissa": ("Meng", 2024, "2404.02948"),
    "milora": ("Wang", 2024, "2406.09044"),
    "olora": ("Büyükakyüz", 2024, "2406.01775"),
    "lora_ga": ("Wang", 2024, "2407.05000"),
    "adalora": ("Q. Zhang", 2023, "2303.10512"),
    "vera": ("Kopiczko", 2023, "2310.11454"),
    "lora_xs": ("Bałazy", 2024, "2405.17604"),
    "qlora": ("Dettmers", 2023, "2305.14314"),
    "loftq": ("Li", 2023, "2310.08659"),
    "galore": ("Zhao", 2024, "2403.03507"),
}
QUANTISED = ("qlora", "loftq")


def test_one_file_one_test_one_name() -> None:
    assert tuple(VARIANTS) == CHOICES["variant"]
    files = {p.stem for p in ROOT.glob("lora_viz/layer/variants/*.py")} - {"__init__"}
    assert files == set(VARIANTS)
    tests = {p.stem.removeprefix("test_") for p in ROOT.glob("tests/variants/test_*.py")} - {"registry"}
    assert tests == {"plain_lora" if name == "lora" else name for name in VARIANTS}, "tests/test_lora.py has the name"
    for name, (author, year, arxiv) in ATTRIBUTION.items():
        v = VARIANTS[name]
        assert (v.name, v.year, v.arxiv) == (name, year, arxiv)
        assert v.authors.startswith(author)
        assert v.title and v.rule


def test_nobody_else_asks_which_variant_it_is() -> None:
    for path in (*ROOT.glob("lora_viz/**/*.py"), *ROOT.glob("pages/*.py")):
        if path.parent.name == "variants":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                names = {n.attr if isinstance(n, ast.Attribute) else getattr(n, "id", "") for n in ast.walk(node)}
                literals = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
                assert not ("variant" in names and literals & set(VARIANTS)), path


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("rank", [1, 2, 5])
def test_parameters_are_counted(small: Experiment, name: str, rank: int) -> None:
    e = fields_of(replace(small, variant=name, rank=rank))
    form = VARIANTS[name].form
    p, _ = form.start(e, make_task(e))
    trains = {key: x.size for key, x in p.items() if e.frozen != form.sides[key]}
    expected = e.d_in * e.d_out if name == "galore" else sum(trains.values())  # GaLore trains all of W, r at a time
    assert VARIANTS[name].parameters(e) == expected


@pytest.mark.parametrize("name", VARIANTS)
def test_the_parts_add_up(small: Experiment, name: str) -> None:
    form = VARIANTS[name].form
    p, fixed, s = stack_of_three(replace(small, variant=name))
    A, B = form.factors(p, fixed, s)
    rest = form.rest(p, fixed, s)
    total = s * (B @ A) + (0.0 if rest is None else rest)
    torch.testing.assert_close(total, form.delta(p, fixed, s), rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("change", [{}, {"batch": 11}, {"optimizer": "sgd", "lr": 0.005}, {"dtype": "float32"}])
def test_a_run_tells_the_truth(small: Experiment, name: str, change: dict[str, object]) -> None:
    """Its loss is that of the weight it says it has, on the samples; it starts as the pretrained layer; it learns."""
    run = trained(replace(small, variant=name, **change))  # type: ignore[arg-type]
    task, delta = run.task, run.delta_weight().astype(float)
    wrong = task.residuals - task.inputs @ np.swapaxes(delta, 1, 2)
    np.testing.assert_allclose(run.loss[:, 0], 0.5 * (wrong**2).sum(axis=(1, 2)) / small.samples, rtol=1e-5)
    pretrained = 0.5 * task.residual_energy
    if name in QUANTISED:
        assert 0 < abs(run.loss[0, 0] - pretrained) < 0.1 * pretrained
    else:
        assert run.loss[0, 0] == pytest.approx(pretrained, rel=1e-5)
    assert run.loss[-1, 0] < run.loss[0, 0]
    assert run.diverged_at[0] == -1
    assert (run.grad_A_norm[0, 0] + run.grad_B_norm[0, 0]) > 0


def test_a_sweep_over_all_is_each_alone(small: Experiment) -> None:
    together = train(Sweep.over(small, variant=tuple(VARIANTS), rank=(2, 3)), records=1000)
    for i, e in enumerate(together.sweep.experiments):
        single = trained(replace(e))
        np.testing.assert_allclose(together.loss[:, i], single.loss[:, 0], rtol=1e-9)
        np.testing.assert_allclose(together.delta_weight(i), single.delta_weight(), atol=1e-9)
        assert together.parameters[i].keys() == (single.parameters[0] if single.parameters else {}).keys()


def test_a_variant_decides_its_own_fields(small: Experiment) -> None:
    given = replace(small, variant="pissa", init="A_zero")
    assert resolved(Sweep((given,)))[0].init == "pissa"
    assert trained(given).experiment.init == "pissa"
    plain = Sweep((small, replace(small, rank=2)))
    assert resolved(plain) is plain
    once = resolved(Sweep.over(small, variant=tuple(VARIANTS)))
    assert resolved(once) == once
    assert [name for name in VARIANTS if is_plain(replace(small, variant=name))] == [
        *("lora", "rslora", "lora_plus", "lora_fa", "pissa", "milora", "olora", "lora_ga")
    ]


@pytest.mark.parametrize("name", VARIANTS)
def test_divergence_is_marked(small: Experiment, name: str) -> None:
    e = replace(small, optimizer="sgd", lr=1e5, steps=300, variant=name)
    run = train(Sweep((e, replace(e, lr=1e-4))), records=1000)
    at = int(run.diverged_at[0])
    assert at >= 0
    assert np.isfinite(run.loss[: at + 1, 0]).all()
    assert np.isnan(run.loss[at + 1 :, 0]).all()
    assert np.isfinite(run.delta_weight(0)).all()
    assert run.diverged_at[1] == -1 and np.isfinite(run.loss[:, 1]).all()


@pytest.mark.parametrize("device", available_devices())
def test_every_device_gives_the_cpus_numbers(small: Experiment, device: str) -> None:
    sweep = Sweep.over(replace(small, batch=11), variant=tuple(VARIANTS), init_seed=(0, 1))
    here, there = train(sweep), train(sweep, device)
    assert there.device == device
    np.testing.assert_allclose(there.loss, here.loss, rtol=1e-8)


@pytest.mark.parametrize("name", VARIANTS)
def test_no_steps(small: Experiment, name: str) -> None:
    assert trained(replace(small, variant=name, steps=0)).loss.shape == (1, 1)
