"""What is cut, extracted or written loads in PEFT and gives the same outputs; what is left out is what was said."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load as load_torch
from safetensors.torch import save as save_torch

from lora_viz.adapters.compare import compare
from lora_viz.adapters.extract import changes, extract
from lora_viz.adapters.opening import Opened, open_adapter, open_weights
from lora_viz.adapters.report import inspect_adapter
from lora_viz.adapters.shrink import _halves, advised_ranks, plan, shrink
from lora_viz.adapters.stored import AdapterError


class Net(torch.nn.Module):
    """Two layers of one name at different depths, an embedding, a convolution and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(11, 13)
        self.layers = torch.nn.ModuleList([torch.nn.ModuleDict({"q": torch.nn.Linear(13, 13)}) for _ in range(3)])
        self.conv = torch.nn.Conv1d(13, 7, 3)
        self.head = torch.nn.Linear(7, 5)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens)
        for layer in self.layers:
            x = torch.tanh(layer["q"](x))
        return self.head(self.conv(x.transpose(1, 2)).mean(2))


TOKENS = torch.arange(18).view(2, 9) % 11


def net() -> Net:
    torch.manual_seed(0)
    return Net()


def trained(**options: object) -> tuple[bytes, bytes, PeftModel]:
    config = LoraConfig(
        r=4, lora_alpha=6, target_modules=["q", "embed", "conv"], modules_to_save=["head"], rank_pattern={"1.q": 3},
        alpha_pattern={"2.q": 10}, **options,
    )  # fmt: skip
    model = get_peft_model(net(), config)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_" in name:
                rows = 0.3 ** torch.arange(len(p)).view(-1, *(1 for _ in p.shape[1:]))
                p.copy_(torch.randn(p.shape) * (rows if "_A" in name else 1))
    with torch.no_grad():
        model.base_model.model.head.modules_to_save["default"].weight += 1
    written = config.to_dict() | {"target_modules": sorted(config.target_modules)}  # type: ignore[type-var, arg-type]
    raw = {k: v for k, v in written.items() if isinstance(v, str | int | float | list | dict | bool | None)}
    return save_torch(get_peft_model_state_dict(model)), json.dumps(raw).encode(), model.eval()


def loaded(data: bytes, folder: Path, onto: torch.nn.Module) -> PeftModel:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
    return PeftModel.from_pretrained(onto, str(folder / "adapter")).eval()


@pytest.mark.parametrize("use_rslora", [False, True])
def test_an_adapter_cut_to_nothing_less_gives_the_same_outputs(tmp_path: Path, use_rslora: bool) -> None:
    tensors, config, model = trained(use_rslora=use_rslora)
    opened = open_adapter("a", tensors, config)
    report = inspect_adapter(opened)
    assert len(report.modules) == 5
    for module in report.modules:
        layer = model.get_submodule("base_model.model." + module.path)
        dense = layer.get_delta_weight("default").flatten(1).double().detach().numpy()
        found = np.linalg.svd(dense, compute_uv=False)[: len(module.sigma)]
        np.testing.assert_allclose(module.sigma, found, rtol=1e-5, atol=1e-6)
    whole = report._replace(modules=tuple(m._replace(needs=(m.rank,) * 3) for m in report.modules))
    cut = shrink(opened, whole, 0.9)
    assert plan(opened, whole, 0.9).parameters[0] == plan(opened, whole, 0.9).parameters[1] and cut.whole < 1e-6
    again = loaded(cut.data, tmp_path, net())
    torch.testing.assert_close(again(TOKENS), model(TOKENS), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_a_cut_adapter_loses_what_was_said_and_no_more(tmp_path: Path, level: float) -> None:
    tensors, config, model = trained()
    opened = open_adapter("a", tensors, config)
    report = inspect_adapter(opened)
    cut = shrink(opened, report, level)
    ranks = advised_ranks(report, level)
    assert cut.ranks.tolist() == list(ranks) and sum(ranks) < sum(m.rank for m in report.modules)
    again = loaded(cut.data, tmp_path, net())
    lost = kept = 0.0
    for module, rank, error in zip(report.modules, ranks, cut.error, strict=True):
        path = "base_model.model." + module.path
        before, after = (m.get_submodule(path).get_delta_weight("default").flatten(1).detach() for m in (model, again))
        assert again.get_submodule(path).r["default"] == rank
        assert torch.linalg.matrix_rank(after) == rank
        assert error == pytest.approx(float((before - after).norm() / before.norm()), abs=1e-5)
        assert error**2 <= 1 - level + 1e-9
        lost, kept = lost + float((before - after).norm()) ** 2, kept + float(before.norm()) ** 2
    assert cut.whole == pytest.approx((lost / kept) ** 0.5, abs=1e-5)
    assert torch.equal(again.base_model.model.head.modules_to_save["default"].weight,
                       model.base_model.model.head.modules_to_save["default"].weight)  # fmt: skip
    assert cut.size[1] == len(cut.data)
    planned = plan(opened, report, level)
    np.testing.assert_allclose(planned.error, cut.error, atol=1e-5)
    assert planned.whole == pytest.approx(cut.whole, abs=1e-5)
    assert planned.parameters[1] == sum(t.numel() for n, t in again.named_parameters() if "lora_" in n)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(97, 113, 5), (29, 23, 19), (7, 41, 11), (11, 13, 17)])
@pytest.mark.parametrize("wide", [1, 256])  # where the update is no larger than its factors, it is formed, or not
def test_a_large_module_is_cut_by_blocks_and_its_error_is_that_of_the_dense_update(
    monkeypatch: pytest.MonkeyPatch, wide: int, shape: tuple[int, int, int], dtype: torch.dtype
) -> None:
    """Also where nothing is cut away but the rounding of what is written: then squares of ΔW would hide it."""
    monkeypatch.setattr("lora_viz.adapters.factors.LARGE", 10)
    monkeypatch.setattr("lora_viz.adapters.factors.BLOCK", 60)
    monkeypatch.setattr("lora_viz.adapters.shrink.WIDE", wide)
    d_out, d_in, r = shape
    g = torch.Generator().manual_seed(2)
    fall = 0.7 ** torch.arange(r, dtype=torch.float64)
    A = torch.randn(r, d_in, generator=g, dtype=torch.float64) * fall[:, None]
    pair = {"q.lora_A.weight": A.to(dtype), "q.lora_B.weight": torch.randn(d_out, r, generator=g).to(dtype)}
    opened = open_adapter("a", save_torch({f"base_model.model.{k}": v for k, v in pair.items()}), b'{"lora_alpha": 3}')
    report = inspect_adapter(opened)
    before = 3 / r * (pair["q.lora_B.weight"].double() @ pair["q.lora_A.weight"].double())
    np.testing.assert_allclose(report.modules[0].sigma, torch.linalg.svdvals(before)[: len(report.modules[0].sigma)],
                               rtol=1e-9, atol=1e-12)  # fmt: skip
    whole = report._replace(modules=(report.modules[0]._replace(needs=(min(shape),) * 3),))
    for asked in (report, whole):
        cut = shrink(opened, asked, 0.99)
        with zipfile.ZipFile(io.BytesIO(cut.data)) as archive:
            written = load_torch(archive.read("adapter/adapter_model.safetensors"))
        B, A = (written[f"base_model.model.q.lora_{x}.weight"].double() for x in "BA")
        lost = float((before - B @ A).norm() / before.norm())
        assert cut.error[0] == pytest.approx(lost, rel=1e-6, abs=1e-14)


def test_a_cut_adapter_can_be_inspected_again() -> None:
    tensors, config, _ = trained()
    opened = open_adapter("a", tensors, config)
    cut = shrink(opened, inspect_adapter(opened), 0.95)
    again = inspect_adapter(open_adapter(cut.file_name, cut.data))
    assert [m.rank for m in again.modules] == cut.ranks.tolist()
    assert {m.scaling for m in again.modules} == {1.0}


def test_loraliabs_file_becomes_a_peft_folder_and_says_that_it_has_no_scale(tmp_path: Path) -> None:
    g = torch.Generator().manual_seed(2)
    A, B = torch.randn(4, 13, generator=g), torch.randn(13, 4, generator=g)
    stored = {
        "layers.1.q.lora_A": A,
        "layers.1.q.lora_B": B,
        "head.weight": torch.ones(5, 7),
        "head.bias": torch.ones(5),
    }
    opened = open_adapter("a", save_torch(stored))
    report = inspect_adapter(opened)
    cut = shrink(opened, report._replace(modules=tuple(m._replace(needs=(4, 4, 4)) for m in report.modules)), 0.99)
    assert "multiply lora_alpha by your s" in plan(opened, report, 0.99).note
    model = loaded(cut.data, tmp_path, net())
    found = model.get_submodule("base_model.model.layers.1.q").get_delta_weight("default")
    torch.testing.assert_close(found, B @ A, rtol=1e-5, atol=1e-5)
    assert (model.base_model.model.head.modules_to_save["default"].weight == 1).all()


def test_kohyas_file_keeps_its_names_and_alpha_follows_the_rank() -> None:
    g = torch.Generator().manual_seed(3)
    A, B = torch.randn(4, 5, 3, 3, generator=g), torch.randn(7, 4, 1, 1, generator=g)
    stored = {"m.lora_down.weight": A, "m.lora_up.weight": B, "m.alpha": torch.tensor(2.0)}
    opened = open_adapter("a", save_torch(stored))
    cut = shrink(opened, inspect_adapter(opened), 0.9)
    (rank,) = cut.ranks
    found = load_torch(cut.data)
    assert float(found["m.alpha"]) == rank < 4
    assert found["m.lora_down.weight"].shape == (rank, 5, 3, 3) and found["m.lora_up.weight"].shape == (7, rank, 1, 1)
    delta = 0.5 * B.flatten(1) @ A.flatten(1)
    after = found["m.lora_up.weight"].flatten(1) @ found["m.lora_down.weight"].flatten(1)
    assert cut.error[0] == pytest.approx(float((delta - after).norm() / delta.norm()), abs=1e-5)


def test_what_cannot_be_cut_is_said() -> None:
    A, B = torch.ones(2, 13), torch.ones(13, 2)
    tensors = save_torch({"base_model.model.q.lora_A.weight": A, "base_model.model.q.lora_B.weight": B})
    opened = open_adapter("a", tensors, b'{"peft_type": "LORA", "init_lora_weights": "pissa"}')
    with pytest.raises(AdapterError, match="started as pissa cannot be cut"):
        shrink(opened, inspect_adapter(opened), 0.9)


def test_broken_modules_stay_as_they_are(tmp_path: Path) -> None:
    A, B = torch.randn(4, 13), torch.randn(13, 4)
    A[0, 0] = torch.inf
    opened = open_adapter(
        "a", save_torch({f"base_model.model.layers.0.q.lora_{x}.weight": t for x, t in (("A", A), ("B", B))})
    )
    cut = shrink(opened, inspect_adapter(opened), 0.9)
    found = load_torch(zipfile.ZipFile(io.BytesIO(cut.data)).read("adapter/adapter_model.safetensors"))
    assert torch.equal(found["base_model.model.layers.0.q.lora_A.weight"], A)


def opened_pair(seed: int, r: int, d_in: int = 29, d_out: int = 23) -> tuple[Opened, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    A, B = torch.randn(r, d_in, generator=g), torch.randn(d_out, r, generator=g)
    config = b'{"lora_alpha": 6}'
    return open_adapter(f"a{seed}", save_torch({"q.lora_A.weight": A, "q.lora_B.weight": B}), config), 6 / r * B @ A


def test_two_adapters_are_compared_as_their_dense_updates_are() -> None:
    (one, first), (other, second) = opened_pair(0, 3), opened_pair(1, 5)
    (m,) = compare((one, inspect_adapter(one)), (other, inspect_adapter(other))).modules
    a, b = first.double().numpy(), second.double().numpy()
    for row, dense in zip(m.sigma, (a, b, a + b), strict=True):
        expected = np.linalg.svd(dense, compute_uv=False)[: len(row)]
        np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-5)
    assert [k.numerical for k in m.kinds] == [3, 5, 8]
    assert m.cosine == pytest.approx((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-6)
    i, j = m.kept
    (u1, _, v1), (u2, _, v2) = np.linalg.svd(a), np.linalg.svd(b)
    assert m.overlap_in == pytest.approx(np.sum((v1[:i] @ v2[:j].T) ** 2) / min(i, j), abs=1e-6)
    assert m.overlap_out == pytest.approx(np.sum((u1[:, :i].T @ u2[:, :j]) ** 2) / min(i, j), abs=1e-6)
    assert (m.chance_in, m.chance_out) == (max(i, j) / 29, max(i, j) / 23)


def test_an_adapter_shares_everything_with_itself_and_nothing_with_another_model() -> None:
    one, _ = opened_pair(0, 3)
    report = inspect_adapter(one)
    (m,) = compare((one, report), (one, report)).modules
    assert (m.overlap_in, m.overlap_out, m.cosine) == pytest.approx((1, 1, 1), abs=1e-12)
    assert [k.numerical for k in m.kinds] == [3, 3, 3]
    other, _ = opened_pair(0, 3, d_in=31)
    with pytest.raises(AdapterError, match="have no module in common"):
        compare((one, report), (other, inspect_adapter(other)))


def test_an_extracted_adapter_is_the_best_of_its_rank(tmp_path: Path) -> None:
    before, after = net(), net()
    torch.manual_seed(4)
    with torch.no_grad():
        for p in (after.layers[0]["q"].weight, after.conv.weight, after.head.bias):
            p += 0.3 * torch.randn_like(p)
    base, tuned = (open_weights("a", save_torch(m.state_dict())) for m in (before, after))
    found = changes(("base", "tuned"), base, tuned)
    assert [c.name for c in found.modules] == ["conv.weight", "layers.0.q.weight"]
    assert (found.not_matrices, found.unmatched, found.too_large) == (1, 0, 0)
    for c in found.modules:
        delta = (after.get_parameter(c.name).double() - before.get_parameter(c.name).double()).flatten(1)
        delta = delta.detach().numpy()
        np.testing.assert_allclose(c.sigma, np.linalg.svd(delta, compute_uv=False), rtol=1e-12)
        assert c.energy == pytest.approx((delta**2).sum(), rel=1e-12)
    data, lost = extract(base, tuned, found, 5)
    model = loaded(data, tmp_path, net())
    energy = sum(c.energy for c in found.modules)
    assert lost == pytest.approx(sum((c.sigma[5:] ** 2).sum() for c in found.modules) / energy, rel=1e-9)
    for c in found.modules:
        path = c.name.removesuffix(".weight")
        delta = (after.get_parameter(c.name) - before.get_parameter(c.name)).flatten(1)
        got = model.get_submodule("base_model.model." + path).get_delta_weight("default").flatten(1)
        assert float((delta - got).detach().norm()) == pytest.approx(np.sqrt((c.sigma[5:] ** 2).sum()), rel=1e-4)
    data, lost = extract(base, tuned, found, 13)
    with torch.no_grad():
        before.head.bias.copy_(after.head.bias)
    assert lost < 1e-12
    torch.testing.assert_close(loaded(data, tmp_path / "all", before)(TOKENS), after(TOKENS), rtol=1e-4, atol=1e-5)


def test_a_large_matrix_is_sketched_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lora_viz.adapters.extract.EXACT_MOST", 50)
    g = torch.Generator().manual_seed(5)
    W = torch.randn(211, 151, generator=g)
    u, v = torch.linalg.qr(torch.randn(211, 9, generator=g))[0], torch.linalg.qr(torch.randn(151, 9, generator=g))[0]
    delta = (u * 2.0 ** -torch.arange(9.0)) @ v.T
    base, tuned = (open_weights("a", save_torch({"w.weight": m.double()})) for m in (W, W + delta))
    (c,) = changes(("base", "tuned"), base, tuned).modules
    assert not c.exact and len(c.sigma) == 64
    dense = ((W + delta).double() - W.double()).numpy()
    np.testing.assert_allclose(c.sigma[:9], np.linalg.svd(dense, compute_uv=False)[:9], rtol=1e-6)
    assert c.energy == pytest.approx((dense**2).sum(), rel=1e-12)
    assert c.needs == (2, 3, 4)


def test_two_models_or_no_difference_are_said() -> None:
    one = open_weights("a", save_torch({"w.weight": torch.ones(3, 5)}))
    other = open_weights("b", save_torch({"v.weight": torch.ones(3, 5)}))
    with pytest.raises(AdapterError, match="have no tensor of one name and shape"):
        changes(("a", "b"), one, other)
    with pytest.raises(AdapterError, match="differ in no matrix"):
        changes(("a", "a"), one, one)
    nan = open_weights("c", save_torch({"w.weight": torch.full((3, 5), torch.nan)}))
    with pytest.raises(AdapterError, match="not finite"):
        changes(("a", "c"), one, nan)


@pytest.mark.parametrize("fall", [1.0, 0.9, 0.5, 0.0])  # 0.5: past what a Gram matrix tells; 0: rank one
@pytest.mark.parametrize("shape", [(23, 41), (29, 29)])
@pytest.mark.parametrize("rank", [3, 23, 31])
def test_halves_of_a_matrix_are_the_best_of_their_rank(shape: tuple[int, int], rank: int, fall: float) -> None:
    rng = np.random.default_rng(5)
    m, n = shape
    sides = (np.linalg.qr(rng.standard_normal(side))[0] for side in ((m, m), (n, m)))
    sigma = fall ** np.arange(m)
    delta = next(sides) * sigma @ next(sides).T
    left, right = _halves(delta, rank)
    kept = sigma[:rank]
    assert left.shape == (m, len(kept))
    np.testing.assert_allclose(
        np.linalg.norm(delta - left @ right), np.linalg.norm(sigma[rank:]), rtol=1e-9, atol=1e-13
    )
    np.testing.assert_allclose(np.sum(left**2, axis=0), kept, atol=1e-9)
    np.testing.assert_allclose(np.sum(right**2, axis=1), kept, atol=1e-9)
