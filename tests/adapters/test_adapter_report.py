"""Every number of a report against the dense product; every way of naming; the authors' own adapter."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_torch

from lora_viz.adapters.keys import find_pairs
from lora_viz.adapters.opening import open_adapter
from lora_viz.adapters.places import places
from lora_viz.adapters.report import Module, Report, inspect_adapter, needs, noise_floor
from lora_viz.core.factored import FactoredMatrix

MNLI = Path(__file__).parents[1] / "data" / "roberta_base_lora_mnli.bin"
R, D_IN, D_OUT = 3, 13, 7


def report(tensors: dict[str, torch.Tensor], config: dict[str, object] | None = None, **options: float) -> Report:
    given = None if config is None else json.dumps(config).encode()
    return inspect_adapter(
        open_adapter("a", save_torch({k: v.contiguous().clone() for k, v in tensors.items()}), given), **options
    )


def pair(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(R, D_IN, generator=g), torch.randn(D_OUT, R, generator=g)


def dense(A: torch.Tensor, B: torch.Tensor, s: float = 1.0) -> np.ndarray:
    return s * B.double().flatten(1).numpy() @ A.double().flatten(1).numpy()


def one(found: Report) -> Module:
    (module,) = found.modules
    return module


def test_every_number_is_the_dense_products() -> None:
    A, B = pair()
    m = one(report({"b.lora_A.weight": A, "b.lora_B.weight": B}, {"r": R, "lora_alpha": 6}))
    delta = dense(A, B, 2.0)
    sigma = np.linalg.svd(delta, compute_uv=False)[:R]
    np.testing.assert_allclose(m.sigma, sigma, rtol=1e-12)
    assert m.norm_delta == pytest.approx(np.linalg.norm(delta), rel=1e-12)
    assert (m.norm_A, m.norm_B) == pytest.approx((float(A.double().norm()), float(B.double().norm())), rel=1e-12)
    p = sigma / sigma.sum()
    assert m.kinds.effective == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-12)
    assert m.kinds.stable == pytest.approx((delta**2).sum() / sigma[0] ** 2, rel=1e-12)
    assert (m.kinds.bound, m.kinds.numerical, m.rank, m.d_in, m.d_out) == (R, R, R, D_IN, D_OUT)
    assert (m.scaling, m.scaling_words) == (2.0, "α/r = 6/3")
    assert (m.dead, m.not_finite, m.parameters) == (0, 0, R * (D_IN + D_OUT))


SCHEMES = {
    "PEFT": ("base_model.model.net.2.q.lora_A.weight", "base_model.model.net.2.q.lora_B.weight", "net.2.q"),
    "PEFT, named": ("base_model.model.q.lora_A.default.weight", "base_model.model.q.lora_B.default.weight", "q"),
    "PEFT, embedding": ("base_model.model.emb.lora_embedding_A", "base_model.model.emb.lora_embedding_B", "emb"),
    "diffusers, new": ("unet.mid.to_q.lora_A.weight", "unet.mid.to_q.lora_B.weight", "unet.mid.to_q"),
    "loralib": ("net.2.q.lora_A", "net.2.q.lora_B", "net.2.q"),
    "kohya": ("lora_unet_a_0_q.lora_down.weight", "lora_unet_a_0_q.lora_up.weight", "lora_unet_a_0_q"),
    "kohya, joined": ("lora_unet_a_0_q_lora_down.weight", "lora_unet_a_0_q_lora_up.weight", "lora_unet_a_0_q"),
    "diffusers": ("a.processor.to_q_lora.down.weight", "a.processor.to_q_lora.up.weight", "a.processor.to_q"),
    "diffusers, text": ("te.q.lora_linear_layer.down.weight", "te.q.lora_linear_layer.up.weight", "te.q"),
    "diffusers, short": ("te.q.lora.down.weight", "te.q.lora.up.weight", "te.q"),
    "cloneofsimo": ("unet:0:down", "unet:0:up", "unet:0"),
}  # fmt: skip


@pytest.mark.parametrize("scheme", SCHEMES)
def test_five_ways_of_naming_give_one_spectrum(scheme: str) -> None:
    name_A, name_B, path = SCHEMES[scheme]
    A, B = pair()
    found = report({name_A: A, name_B: B, "other.weight": torch.ones(2, 3)})
    m = one(found)
    assert m.path == path
    assert found.schemes == (scheme.split(",")[0] if scheme != "diffusers, new" else "PEFT",)
    np.testing.assert_allclose(m.sigma, np.linalg.svd(dense(A, B), compute_uv=False)[:R], rtol=1e-12)
    assert [(o.name, o.shape, o.dtype) for o in found.others] == [("other.weight", (2, 3), "F32")]
    kohya = scheme.startswith("kohya")
    assert m.scaling == (1.0 if kohya else None)
    assert m.scaling_words == ("no α in the file: α = r by kohya's rule" if kohya else "not in the file")


def test_a_convolution_is_its_flattened_product() -> None:
    g = torch.Generator().manual_seed(1)
    A, B = torch.randn(R, 5, 3, 3, generator=g), torch.randn(D_OUT, R, 1, 1, generator=g)
    m = one(report({"c.lora_A.weight": A, "c.lora_B.weight": B}))
    assert (m.d_in, m.d_out) == (45, D_OUT)
    kernel = (B.double().flatten(1) @ A.double().flatten(1)).view(D_OUT, 5, 3, 3)
    x = torch.randn(2, 5, 8, 8, generator=g).double()
    chained = torch.nn.functional.conv2d(torch.nn.functional.conv2d(x, A.double()), B.double())
    torch.testing.assert_close(torch.nn.functional.conv2d(x, kernel), chained)
    np.testing.assert_allclose(m.sigma, np.linalg.svd(kernel.flatten(1).numpy(), compute_uv=False)[:R], rtol=1e-12)


def test_loralibs_fused_layers_hold_several_updates() -> None:
    g = torch.Generator().manual_seed(2)
    A, B = torch.randn(2 * R, D_IN, generator=g), torch.randn(2 * D_OUT, R, generator=g)
    found = report({"attn.lora_A": A, "attn.lora_B": B})
    assert [m.path for m in found.modules] == ["attn (part 1 of 2)", "attn (part 2 of 2)"]
    # loralib/layers.py, MergedLinear.merge_AB: a grouped convolution of A's rows with B
    merged = torch.nn.functional.conv1d(A[None], B[..., None], groups=2)[0]
    for m, part in zip(found.modules, merged.split(D_OUT), strict=True):
        np.testing.assert_allclose(m.sigma, torch.linalg.svdvals(part.double())[:R].numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("config", "scaling"),
    [
        ({"peft_type": "LORA"}, 8 / R),
        ({"lora_alpha": 6, "use_rslora": True}, 6 / R**0.5),
        ({"lora_alpha": 6, "alpha_pattern": {"q": 12}}, 4.0),
        ({"lora_alpha": 6, "alpha_pattern": {"net.2.q": 12}}, 4.0),
        ({"lora_alpha": 6, "alpha_pattern": {"^net.2.q": 12}}, 4.0),
        ({"lora_alpha": 6, "alpha_pattern": {"^2.q": 12}}, 2.0),
        ({"lora_alpha": 6, "alpha_pattern": {"2.k": 12}, "rank_pattern": {"2.q": 3}}, 2.0),
    ],
)
def test_the_scale_is_pefts(config: dict[str, object], scaling: float) -> None:
    from peft import LoraConfig, get_peft_model

    names = SCHEMES["PEFT"]
    A, B = pair()
    m = one(report(dict(zip(names[:2], (A, B), strict=True)), config))
    assert m.scaling == pytest.approx(scaling, rel=1e-13)
    net = torch.nn.Module()
    net.net = torch.nn.ModuleList([torch.nn.Module() for _ in range(3)])
    net.net[2].q = torch.nn.Linear(D_IN, D_OUT)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The following alpha_pattern keys did not match")
        model = get_peft_model(net, LoraConfig(r=R, target_modules=["q"], **config))  # type: ignore[arg-type]
    assert model.base_model.model.net[2].q.scaling["default"] == pytest.approx(scaling, rel=1e-13)


def test_kohyas_alpha_stands_in_the_file_and_a_visitor_may_say_one() -> None:
    A, B = pair()
    kohya = {"m.lora_down.weight": A, "m.lora_up.weight": B}
    assert one(report({**kohya, "m.alpha": torch.tensor(1.5)})).scaling == 0.5
    assert one(report({"m:down": A, "m:up": B}, alpha=12.0)).scaling == 4.0
    assert one(report({"m:down": A, "m:up": B}, alpha=12.0)).scaling_words.endswith("as you said")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_the_noise_floor_bounds_what_rounding_does(dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(3)
    A, B = torch.randn(5, 211, generator=g).double(), torch.randn(149, 5, generator=g).double()
    B[:, 3:] *= 1e-6  # two directions that the format cannot hold
    stored = {"x.lora_A.weight": A.to(dtype), "x.lora_B.weight": B.to(dtype)}
    opened = open_adapter("a", save_torch(stored))
    m = one(inspect_adapter(opened))
    exact = np.linalg.svd((B @ A).numpy(), compute_uv=False)[:5]
    floor = noise_floor(opened.weights, m)
    assert np.abs(m.sigma - exact).max() < 1.5 * floor
    unit = {torch.bfloat16: 2.0**-9, torch.float16: 2.0**-11, torch.float32: 2.0**-24}[dtype]
    assert 0.02 * unit * exact[0] < floor < unit * exact[0]
    assert m.dtype == {torch.bfloat16: "BF16", torch.float16: "F16", torch.float32: "F32"}[dtype]


def test_untrained_dead_and_broken_modules_are_told_apart() -> None:
    A, B = pair()
    dead_A, dead_B = A.clone(), B.clone()
    dead_A[1] = 0
    dead_B[:, 2] = 0
    broken = A.clone()
    broken[0, :2] = torch.nan
    tensors = {}
    for name, (a, b) in {"u": (A, 0 * B), "d": (dead_A, dead_B), "n": (broken, B), "w": (A, B)}.items():
        tensors |= {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b}
    found = {m.path: m for m in report(tensors).modules}
    assert (found["u"].norm_delta, found["u"].kinds.numerical, found["u"].needs, found["u"].dead) == (
        0,
        0,
        (0, 0, 0),
        R,
    )
    assert np.isnan(found["u"].kinds.effective)
    assert (found["d"].dead, found["d"].kinds.numerical) == (2, 1)
    assert found["n"].not_finite == 2 and np.isnan(found["n"].sigma).all() and np.isnan(found["n"].norm_delta)
    assert found["w"].not_finite == found["w"].dead == 0


@pytest.mark.parametrize(
    ("sigma", "expected"),
    [((1.0, 1.0, 1.0, 1.0), (4, 4, 4)), ((3.0, 1.0), (1, 2, 2)), ((9.0, 1.0, 0.0), (1, 1, 2)), ((0.0, 0.0), (0, 0, 0))],
)
def test_the_rank_that_is_needed(sigma: tuple[float, ...], expected: tuple[int, int, int]) -> None:
    assert needs(np.array(sigma)) == expected


def test_a_difference_of_products_from_the_factors() -> None:
    (A, B), (A2, B2) = pair(1), pair(2)
    one, other = (FactoredMatrix(a.double().numpy(), b.double().numpy()) for a, b in ((A, B), (A2, B2)))
    assert (one - other).norm() == pytest.approx(np.linalg.norm(dense(A, B) - dense(A2, B2)), rel=1e-12)
    assert (one - one).norm() <= 1e-13 * one.norm()


def test_the_authors_adapter_uses_half_of_its_directions() -> None:
    found = inspect_adapter(open_adapter(MNLI.name, MNLI.read_bytes()))
    assert (found.kind, found.schemes, len(found.modules)) == ("torch", ("loralib",), 24)
    assert sum(m.parameters for m in found.modules) == 294_912
    assert {(m.rank, m.d_in, m.d_out, m.dtype) for m in found.modules} == {(8, 768, 768, "F32")}
    assert {o.name.split(".")[0] for o in found.others} == {"classifier"}
    by_energy = [np.exp(-np.sum(p * np.log(p))) for m in found.modules for p in [m.sigma**2 / np.sum(m.sigma**2)]]
    assert np.median(by_energy) == pytest.approx(4.9, abs=0.05)
    assert (min(by_energy), max(by_energy)) == pytest.approx((1.04, 6.6), abs=0.05)
    assert np.median([m.sigma[0] ** 2 / np.sum(m.sigma**2) for m in found.modules]) == pytest.approx(0.41, abs=0.005)


def test_layers_and_kinds_are_read_from_the_paths() -> None:
    def read(*paths: str) -> list[tuple[str, str]]:
        return [tuple(place) for place in places(paths)]  # type: ignore[misc]

    assert read("enc.layer.0.attn.q", "enc.layer.11.attn.q") == [("0", "attn.q"), ("11", "attn.q")]
    assert read("h.0.attn.c_attn", "h.0.mlp.c_proj") == [("0", "attn.c_attn"), ("0", "mlp.c_proj")]
    assert read("down.0.blocks.1.to_out.0", "up.0.blocks.1.to_q") == [("down 0.1", "to_out"), ("up 0.1", "to_q")]
    assert read("lora_unet_down_blocks_0_attn1_to_q", "lora_unet_up_blocks_2_attn1_to_q") == [
        ("down 0", "attn1_to_q"),
        ("up 2", "attn1_to_q"),
    ]
    assert read("unet:0", "unet:1") == [("0", "unet"), ("1", "unet")]
    assert read("fc") == [("", "fc")]


def test_two_adapters_in_one_file_are_kept_apart() -> None:
    names = [f"base_model.model.q.lora_{x}.{a}.weight" for a in ("one", "two") for x in "AB"]
    pairs, others = find_pairs(names)
    assert [p.path for p in pairs] == ["q (one)", "q (two)"] and not others


def test_a_moved_base_and_dora_are_said() -> None:
    A, B = pair()
    tensors = {"q.lora_A.weight": A, "q.lora_B.weight": B}
    assert (
        "moves the base weight" in report(tensors, {"peft_type": "LORA", "init_lora_weights": "pissa_niter_4"}).notes[0]
    )
    dora = report({**tensors, "q.lora_magnitude_vector": torch.ones(D_OUT)})
    assert "DoRA" in dora.notes[0] and not dora.others


def test_progress_is_told_and_nothing_is_warned() -> None:
    shares: list[float] = []
    A, B = pair()
    data = save_torch({f"l.{i}.lora_{x}.weight": t.clone() for i in range(4) for x, t in (("A", A), ("B", B))})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inspect_adapter(open_adapter("a", data), progress=shares.append)
    assert shares == [0.25, 0.5, 0.75, 1.0]
