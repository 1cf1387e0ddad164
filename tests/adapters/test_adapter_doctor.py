"""The doctor: each fault is planted in a file, and found; a sound file has none of them."""

import json
import math
from collections.abc import Callable

import pytest
import torch
from safetensors.torch import save as save_torch

from lora_viz.adapters.diagnosis import diagnose
from lora_viz.adapters.findings import GRAVITY, Diagnosis, Finding
from lora_viz.adapters.opening import open_adapter, open_weights
from lora_viz.adapters.report import inspect_adapter

R, D_IN, D_OUT, LAYERS = 8, 401, 53, 10
P = "base_model.model."
Tensors = dict[str, torch.Tensor]


def sound() -> Tensors:
    """A trained adapter: A has left its start, B is not 0, every direction is used but not the same."""
    g = torch.Generator().manual_seed(0)
    found = {}
    for i in range(LAYERS):
        strength = torch.linspace(1, 0.2, R)
        found[f"{P}l.{i}.q.lora_A.weight"] = torch.randn(R, D_IN, generator=g) / math.sqrt(D_IN)
        found[f"{P}l.{i}.q.lora_B.weight"] = 0.02 * torch.randn(D_OUT, R, generator=g) * strength
    return found


CONFIG = {"peft_type": "LORA", "r": R, "lora_alpha": 16, "target_modules": ["q"]}


def examined(tensors: Tensors, config: dict[str, object] | None = None, base: Tensors | None = None) -> Diagnosis:
    given = None if config is None else json.dumps(config).encode()
    opened = open_adapter("a", save_torch({k: v.contiguous() for k, v in tensors.items()}), given)
    held = None if base is None else open_weights("base", save_torch(base))
    return diagnose(opened, inspect_adapter(opened), held)


def each(change: Callable[[str, torch.Tensor, int], torch.Tensor]) -> Callable[[Tensors], Tensors]:
    """A fault put into every tensor: what it does with a tensor's name, numbers and layer."""
    return lambda t: {name: change(name, m, int(name.split(".")[3])) for name, m in t.items()}


def start(name: str, m: torch.Tensor, i: int) -> torch.Tensor:
    g = torch.Generator().manual_seed(i)
    return (2 * torch.rand(m.shape, generator=g) - 1) / math.sqrt(D_IN) if "lora_A" in name else m


def twice(name: str, m: torch.Tensor, i: int) -> torch.Tensor:
    return torch.cat([m[:4], m[:4]]) if "lora_A" in name else m


FAULTS: dict[str, tuple[Callable[[Tensors], Tensors], dict[str, object], str]] = {
    "untrained": (each(lambda n, m, i: m * 0 if "lora_B" in n else m), CONFIG, "broken"),
    "partly_untrained": (each(lambda n, m, i: m * 0 if "lora_B" in n and i < 4 else m), CONFIG, "broken"),
    "not_finite": (each(lambda n, m, i: m / 0 if i == 3 else m), CONFIG, "broken"),
    "wrapped_names": (lambda t: {n.replace(P, f"{P}_orig_mod."): m for n, m in t.items()}, CONFIG, "broken"),
    "prefix": (lambda t: {n.removeprefix(P): m for n, m in t.items()}, CONFIG, "broken"),
    "targets_missing": (lambda t: t, CONFIG | {"target_modules": ["q", "v"]}, "doubtful"),
    "too_large": (lambda t: t | {f"{P}embed_tokens.weight": torch.ones(1000, D_IN)}, CONFIG, "doubtful"),
    "scale_zero": (lambda t: t, CONFIG | {"lora_alpha": 0}, "broken"),
    "scale_odd": (lambda t: t, CONFIG | {"lora_alpha": 64, "use_rslora": True}, "doubtful"),
    "underflow": (each(lambda n, m, i: (m * 1e-3).half() if "lora_B" in n else m.half()), CONFIG, "doubtful"),
    "dead_directions": (each(lambda n, m, i: m * (torch.arange(R) < 6) if "lora_B" in n else m), CONFIG, "doubtful"),
    "duplicates": (each(twice), CONFIG, "doubtful"),
    "rank_above_need": (each(lambda n, m, i: m * torch.logspace(0, -4, R) if "lora_B" in n else m), CONFIG, "note"),
    "rank_all_used": (each(lambda n, m, i: m / torch.linspace(1, 0.2, R) if "lora_B" in n else m), CONFIG, "note"),
    "A_at_start": (each(start), CONFIG, "note"),
    "dwarfs": (each(lambda n, m, i: m * 30 if "lora_B" in n and i == 7 else m), CONFIG, "doubtful"),
}


@pytest.mark.parametrize("id", FAULTS)
def test_a_planted_fault_is_found_and_said(id: str) -> None:
    fault, config, gravity = FAULTS[id]
    assert id not in {f.id for f in examined(sound(), CONFIG).findings}
    found = examined(fault(sound()), config)
    hit = next(f for f in found.findings if f.id == id)
    assert hit.gravity == gravity and found.healthy == (gravity == "note")
    assert hit.evidence.endswith(".") and hit.cause and hit.remedy and hit.sure
    assert [GRAVITY.index(f.gravity) for f in found.findings] == sorted(
        GRAVITY.index(f.gravity) for f in found.findings
    )


def test_a_sound_file_looks_healthy() -> None:
    (found,) = examined(sound(), CONFIG).findings
    assert (found.id, found.title) == ("healthy", "Looks healthy")
    json.dumps(found.plain(), allow_nan=False)


def test_untrained_layers_are_named() -> None:
    found = examined(FAULTS["partly_untrained"][0](sound()), CONFIG)
    assert "Untrained layers: 0, 1, 2, 3." in found.findings[0].evidence and len(found.findings[0].modules) == 4


def test_an_unknown_scale_and_one_in_the_header_alone_are_said() -> None:
    assert {f.id for f in examined(sound()).findings} == {"scale_unknown"}
    A, B = sound()[f"{P}l.0.q.lora_A.weight"], sound()[f"{P}l.0.q.lora_B.weight"]
    data = save_torch({"m.lora_down.weight": A, "m.lora_up.weight": B}, {"ss_network_alpha": "4"})
    opened = open_adapter("a", data)
    assert "alpha_in_header" in {f.id for f in diagnose(opened, inspect_adapter(opened)).findings}


def base(names: bool = True, wide: int = D_IN, merged: float = 0.0) -> Tensors:
    """Weights of the base: Gaussian, with so many times the adapter's ΔW in them."""
    g, t = torch.Generator().manual_seed(5), sound()
    return {
        f"{'' if names else 'other.x.'}l.{i}.q.weight": torch.randn(D_OUT, wide, generator=g) / 20
        + (merged * 2 * t[f"{P}l.{i}.q.lora_B.weight"] @ t[f"{P}l.{i}.q.lora_A.weight"] if merged else 0)
        for i in range(LAYERS)
    }


def against(**given: object) -> dict[str, Finding]:
    return {f.id: f for f in examined(sound(), CONFIG, base(**given)).findings}  # type: ignore[arg-type]


def test_the_base_says_what_the_file_cannot() -> None:
    assert set(against()) == {"beside_base", "healthy"}
    assert against(names=False)["no_such_modules"].values == {"modules": LAYERS}
    assert f"{D_OUT}×{D_IN}" in against(wide=D_IN + 2)["other_shapes"].evidence
    for times in (1, 2):
        assert against(merged=times)["already_merged"].values["times"] == pytest.approx(times, abs=0.2)


def test_what_a_merge_keeps_is_that_of_torchs_rounding() -> None:
    t, w = sound(), base()
    ratio, lost = [], []
    for i in range(LAYERS):
        delta = 2 * (t[f"{P}l.{i}.q.lora_B.weight"].double() @ t[f"{P}l.{i}.q.lora_A.weight"].double())
        W = w[f"l.{i}.q.weight"].bfloat16().double()
        ratio.append(float(delta.norm() / w[f"l.{i}.q.weight"].double().norm()))
        lost.append(float(((W + delta).bfloat16().double() - W - delta).norm() / delta.norm()))
    values = against()["beside_base"].values
    assert values["ratio"] == pytest.approx(sorted(ratio)[4] / 2 + sorted(ratio)[5] / 2, rel=1e-6)
    assert values["lost"] == pytest.approx(sorted(lost)[4] / 2 + sorted(lost)[5] / 2, rel=1e-3)
    tiny = {n: m * 1e-3 if "lora_B" in n else m for n, m in t.items()}
    assert "lost_in_bf16" in {f.id for f in examined(tiny, CONFIG, w).findings}
