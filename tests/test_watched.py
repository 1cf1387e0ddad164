"""A watched training: what is recorded against the dense matrices and autograd, its file, its film."""

import json
from pathlib import Path

import numpy as np
import peft
import pytest
import torch

import lora_viz
from docs.make_command_line import run
from examples.make_notebook import notebook
from lora_viz.adapters.stored import AdapterError
from lora_viz.adapters.writing import pack, write_safetensors
from lora_viz.core.refusals import Refusal
from lora_viz.watched.callback import WatchCallback
from lora_viz.watched.film import film, takeaway
from lora_viz.watched.record import Watched, read
from lora_viz.watched.watch import Watching

STEPS = 5


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    plain = torch.nn.Sequential(torch.nn.Linear(7, 11), torch.nn.Tanh(), torch.nn.Linear(11, 5))
    return peft.get_peft_model(plain, peft.LoraConfig(r=3, lora_alpha=6, target_modules=["0", "2"]))


def trained(net: torch.nn.Module, seen: Watching | None = None) -> list[dict[str, list[float]]]:
    """Train, and tell of every step the norms that autograd gave and the singular values of the dense updates."""
    x, y = torch.randn(13, 7), torch.randn(13, 5)
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.2)
    layers = [m for m in net.modules() if isinstance(m, peft.tuners.lora.Linear)]
    told = []
    for _ in range(STEPS):
        loss = torch.nn.functional.mse_loss(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        grads = {f"grad_{k}": [getattr(m, f"lora_{k}")["default"].weight.grad.norm().item() for m in layers]
                 for k in "AB"}  # fmt: skip
        optimizer.step()
        if seen is not None:
            seen.loss(loss.item())
        dense = [m.get_delta_weight("default").detach().double() for m in layers]
        told.append({**grads, "delta": [d.norm().item() for d in dense],
                     "sigma": [torch.linalg.svdvals(d)[:3].tolist() for d in dense]})  # fmt: skip
    return told


def test_what_is_recorded_is_what_autograd_and_the_dense_matrices_say() -> None:
    net = model()
    with lora_viz.watch(net, every=1) as seen:
        told = trained(net, seen)
        trained(model())  # somebody else's training is nobody's here
    record = seen.record()
    assert record.modules == ("0", "2") and record.step.tolist() == [1, 2, 3, 4, 5]
    for name in ("grad_A", "grad_B", "delta", "sigma"):
        expected = np.array([one[name] for one in told])
        np.testing.assert_allclose(getattr(record, name), expected, rtol=1e-5, atol=1e-6)
    assert (record.grad_A[0] == 0).all() and "every ‖∇A‖ was 0" in takeaway(record)
    assert len(record.loss) == STEPS
    trained(net)
    assert len(seen.record().step) == STEPS, "stopped"


def test_the_first_step_is_seen_and_then_what_costs_little() -> None:
    net = model()
    with lora_viz.watch(net, share=0.0) as seen:
        trained(net)
    assert seen.record().step.tolist() == [1]
    with lora_viz.watch(net, every=2) as seen:
        trained(net)
    assert seen.record().step.tolist() == [1, 2, 4]


def test_a_model_without_lora_is_refused() -> None:
    with pytest.raises(Refusal, match="no LoRA modules"):
        lora_viz.watch(torch.nn.Linear(3, 2))
    with pytest.raises(Refusal, match="every=0"):
        lora_viz.watch(model(), every=0)
    with pytest.raises(Refusal, match="No optimiser step"):
        lora_viz.watch(model()).record()


def test_the_callback_writes_a_file_that_the_command_shows(tmp_path: Path) -> None:
    net, path = model(), tmp_path / "run.lora"
    callback = WatchCallback(path, every=1)
    callback.on_train_begin(None, None, None, model=net)
    trained(net)
    callback.on_log(None, None, None, logs={"loss": 0.5})
    callback.on_train_end(None, None, None)
    assert callback.seen is not None
    for one, other in zip(read("run", path.read_bytes()), callback.seen.record(), strict=True):
        if isinstance(one, np.ndarray):
            np.testing.assert_allclose(one, other, rtol=1e-6)
    assert path.stat().st_size < 4_000
    found = json.loads(run(f"show {path} --json").output)
    assert found["modules"] == ["0", "2"] and found["step"] == [1, 2, 3, 4, 5]
    page = tmp_path / "run.html"
    assert run(f"show {path} --html {page}").code == 0 and "<canvas" not in page.read_text(encoding="utf-8")
    assert run(f"show {path} --module nope --html {page}").code == 2


def a_record(**other: object) -> Watched:
    ones = np.ones((2, 1))
    return Watched(("q",), np.array([1.0, 2.0]), ones, ones, ones, np.ones((2, 1, 3)), np.zeros(0), np.zeros(0), 0.01
                   )._replace(**other)  # fmt: skip


def test_a_film_has_the_numbers_of_the_record() -> None:
    record = a_record(delta=np.array([[0.5], [0.7]]))
    shown = film(record)
    np.testing.assert_array_equal(shown.panel("delta").part("delta").y, [0.5, 0.7])
    assert [panel.id for panel in shown.panels] == ["gradients", "delta", "singular_values"]
    with pytest.raises(Refusal, match="nope was not watched"):
        film(record, "nope")


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({}, {}),
        ({"step": np.ones(2)}, {"format": "lora-playground run 1", "modules": "[", "overhead": "0"}),
        ({"step": np.ones(2)}, {"format": "lora-playground run 1", "modules": '["q"]', "overhead": "0"}),
    ],
)
def test_another_file_is_no_record(arrays: dict[str, np.ndarray], told: dict[str, str]) -> None:
    data = write_safetensors({name: pack(value, "F32") for name, value in arrays.items()}, told or None)
    with pytest.raises(AdapterError):
        read("x", data)


def test_a_notebook_shows_a_lesson_in_a_frame_that_reaches_nothing() -> None:
    played = lora_viz.lesson("gauge").play()
    for shown in (played._repr_html_(), played.film._repr_html_()):
        assert shown.startswith('<iframe sandbox="allow-scripts allow-downloads" srcdoc="')
        assert "allow-same-origin" not in shown and shown.count("<iframe") == 1
    assert "<iframe" not in lora_viz.lesson("mistake").play()._repr_html_()


def test_the_notebook_runs() -> None:
    """Its cells, in order, as a kernel would run them; what a cell ends in can be shown."""
    path = Path(__file__).parent.parent / "examples" / "lora_playground.ipynb"
    assert path.read_text(encoding="utf-8") == notebook(), "run `python examples/make_notebook.py`"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    known: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), str(path), "exec"), known)
    assert known["record"].step[0] == 1  # type: ignore[attr-defined]
