"""Between formats and back without losing a bit; what is written is read as each format's own loaders read it."""

import io
import itertools
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load as load_torch
from safetensors.torch import save as save_torch

from lora_viz.adapters.compare import compare
from lora_viz.adapters.convert import FORMATS, convert
from lora_viz.adapters.merging import advice, merges, ties
from lora_viz.adapters.opening import Opened, open_adapter
from lora_viz.adapters.renaming import dotted, underscored
from lora_viz.adapters.report import Report, inspect_adapter
from lora_viz.adapters.shrink import shrink
from lora_viz.adapters.stored import AdapterError
from tests.adapters.kinds import KINDS

PATHS = ("unet.down_blocks.1.attentions.0.transformer_blocks.2.attn1.to_q", "unet.mid_block.attentions.0.proj_in",
         "text_encoder.text_model.encoder.layers.3.self_attn.k_proj")  # fmt: skip
Given = tuple[Opened, Report]


def given(paths: tuple[str, ...] = PATHS, ranks: tuple[int, ...] = (3, 5, 3), seed: int = 0) -> Given:
    """A PEFT adapter of unequal ranks and scales, its numbers in bfloat16."""
    g = torch.Generator().manual_seed(seed)
    tensors = {}
    for i, (path, r) in enumerate(zip(paths, ranks, strict=True)):
        tensors[f"base_model.model.{path}.lora_A.weight"] = torch.randn(r, 13 + 2 * i, generator=g).bfloat16()
        tensors[f"base_model.model.{path}.lora_B.weight"] = torch.randn(7, r, generator=g).bfloat16()
    config = {"peft_type": "LORA", "r": 3, "lora_alpha": 6, "rank_pattern": {paths[1]: 5},
              "alpha_pattern": {paths[1]: 10}}  # fmt: skip
    opened = open_adapter("a", save_torch(tensors), json.dumps(config).encode())
    return opened, inspect_adapter(opened)


def bits(pair: Given) -> dict[str, tuple[bytes, bytes, float]]:
    """Every module's A and B, the usual way round, and s."""
    found = {}
    for m in pair[1].modules:
        f = m.factors(pair[0].weights)
        found[m.pair.module.removeprefix("transformer.")] = (
            np.ascontiguousarray(f.A.raw.T).tobytes(), np.ascontiguousarray(f.B.raw).tobytes(), m.scaling
        )  # fmt: skip
    return found  # type: ignore[return-value]


def again(pair: Given, to: str) -> Given:
    made = convert(*pair, to)
    opened = open_adapter(made.file_name, made.data)
    return opened, inspect_adapter(opened)


@pytest.mark.parametrize("way", list(itertools.permutations(FORMATS, 3)), ids="-".join)
def test_there_and_back_no_bit_is_lost(way: tuple[str, ...]) -> None:
    pair = given()
    there = pair
    for to in way:
        there = again(there, to)
    back = again(there, "peft")
    assert bits(back) == bits(pair)
    assert {m.path: m.norm_delta for m in back[1].modules} == {m.path: m.norm_delta for m in pair[1].modules}


@pytest.mark.parametrize("path", [*PATHS, "transformer.double_blocks.3.img_attn.proj",
    "unet.up_blocks.2.resnets.1.conv_shortcut",
    "transformer.single_transformer_blocks.12.proj_mlp", "text_encoder_2.text_model.encoder.layers.31.mlp.fc1",
    "unet.down_blocks.0.attentions.1.transformer_blocks.0.ff.net.0.proj",
    "transformer.transformer_blocks.0.attn.add_k_proj",
    "transformer.transformer_blocks.0.ff_context.net.2", "unet.down_blocks.2.downsamplers.0.conv",
    "transformer.transformer_blocks.7.attn.to_out.0"])  # fmt: skip
def test_underscores_are_told_from_dots(path: str) -> None:
    assert dotted(underscored(path)) == path
    assert dotted("lora_unet_a_b_c", ["a.b_c"]) == "a.b_c"


def test_a_fused_layer_becomes_one_module_of_the_ranks_sum() -> None:
    data = (
        Path(__file__).parents[1] / "data" / "adapter_cases" / "kohya_split_qkv_downs" / "split.safetensors"
    ).read_bytes()
    opened = open_adapter("a", data)
    report = inspect_adapter(opened)
    (one,) = again((opened, report), "peft")[1].modules
    assert (one.d_out, one.rank) == (24, 9)
    assert one.norm_delta == pytest.approx(sum(m.norm_delta**2 for m in report.modules) ** 0.5, rel=1e-2)  # bf16


@pytest.mark.parametrize("name", ["loha", "lokr", "locon_mid", "adalora", "fp8", "paddle", "deepspeed", "own", "comfy"])
def test_every_kind_of_factors_becomes_a_plain_pair(name: str) -> None:
    kind = KINDS[name]
    opened = open_adapter("a", kind.data, kind.config)
    report = inspect_adapter(opened, alpha=None if kind.scaled else 3.0)
    (m,) = again((opened, report), "kohya")[1].modules
    assert m.norm_delta == pytest.approx(report.modules[0].norm_delta, rel=1e-6)


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        return {Path(n).name: found.read(n) for n in found.namelist()}


def dense(pair: Given) -> dict[str, torch.Tensor]:
    return {
        m.pair.module: torch.from_numpy(m.factors(pair[0].weights).product(m.scale).dense()) for m in pair[1].modules
    }


def test_each_formats_own_rule_gives_the_same_update(tmp_path: Path) -> None:
    """kohya: networks/lora.py, alpha/dim·up@down. MLX: scale·(a b)ᵀ. diffusers: PEFT's config in the header."""
    pair = given()
    want = dense(pair)
    kohya = load_torch(convert(*pair, "kohya").data)
    for path, delta in want.items():
        name = underscored(path)
        down, up = kohya[f"{name}.lora_down.weight"].double(), kohya[f"{name}.lora_up.weight"].double()
        torch.testing.assert_close(float(kohya[f"{name}.alpha"]) / len(down) * up @ down, delta)
    mlx = members(convert(*pair, "mlx").data)
    config, tensors = json.loads(mlx["adapter_config.json"]), load_torch(mlx["adapters.safetensors"])
    for path, delta in want.items():
        a, b = tensors[f"{path}.lora_a"].double(), tensors[f"{path}.lora_b"].double()
        torch.testing.assert_close(config["lora_parameters"]["scale"] * (a @ b).T, delta)
    (tmp_path / "d").write_bytes(convert(*pair, "diffusers").data)
    with safe_open(tmp_path / "d", "pt") as file:  # type: ignore[no-untyped-call]
        said = json.loads(file.metadata()["lora_adapter_metadata"])
        for path, delta in want.items():
            component, _, inner = path.partition(".")
            r = said[f"{component}.rank_pattern"].get(inner, said[f"{component}.r"])
            alpha = said[f"{component}.alpha_pattern"].get(inner, said[f"{component}.lora_alpha"])
            A, B = (file.get_tensor(f"{path}.lora_{x}.weight").double() for x in "AB")
            torch.testing.assert_close(alpha / r * B @ A, delta)


def test_what_is_written_for_peft_loads_in_peft(tmp_path: Path) -> None:
    from peft import PeftModel

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k = torch.nn.Linear(13, 7), torch.nn.Linear(15, 7)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.q(x[:, :13]), self.k(x)], dim=1)

    pair = given(("q", "k"), (3, 5))
    for name, data in members(convert(*again(pair, "kohya"), "peft").data).items():
        (tmp_path / name).write_bytes(data)
    base = Net().double()
    x, plain = torch.randn(4, 15).double(), base
    before = plain(x)
    after = PeftModel.from_pretrained(base, str(tmp_path)).double()(x)
    want = dense(pair)
    added = torch.cat([x[:, :13] @ want["q"].T, x @ want["k"].T], dim=1)
    torch.testing.assert_close(after, before + added)


def test_what_has_no_place_elsewhere_is_said() -> None:
    opened = open_adapter("a", KINDS["torchtune"].data)
    with pytest.raises(AdapterError, match="say α"):
        convert(opened, inspect_adapter(opened), "peft")
    kind = KINDS["target_parameters"]
    opened = open_adapter("a", kind.data, kind.config)
    with pytest.raises(AdapterError, match="not one pair of factors"):
        convert(opened, inspect_adapter(opened), "kohya")
    opened = open_adapter("a", KINDS["two_adapters"].data, KINDS["two_adapters"].config)
    with pytest.raises(AdapterError, match="several adapters"):
        convert(opened, inspect_adapter(opened), "kohya")


def test_a_rank_for_every_module_is_the_best_at_that_rank() -> None:
    opened, report = given()
    cut = shrink(opened, report, 2)
    assert cut.ranks.tolist() == [2, 2, 2] and cut.file_name == "adapter_r2.zip"
    lost = sum(float((m.sigma[2:] ** 2).sum()) for m in report.modules)
    assert cut.whole == pytest.approx((lost / sum(m.norm_delta**2 for m in report.modules)) ** 0.5, rel=0.05)


def test_what_each_merge_gives_is_measured() -> None:
    one, other = given(("q", "k"), (3, 5)), given(("q", "k"), (3, 5), seed=1)
    found = {m.way: m for m in merges(one, other)}
    assert set(found) == {"add", "average", "factors", "ties", "dare"}
    assert found["add"].apart == 0 and found["average"].apart == pytest.approx(0.5)
    same = {m.way: m for m in merges(one, one)}
    assert same["average"].kept == pytest.approx((1.0, 1.0)) and same["factors"].kept == pytest.approx((4.0, 4.0))
    assert "try the average" in advice(compare(one, one)) and "hardly meet" not in advice(compare(one, one))
    a, b = np.array([[3.0, -2.0, 0.1, 4.0]]), np.array([[0.9, 5.0, 0.2, -1.0]])
    np.testing.assert_array_equal(ties(a, b), [[3.0, 5.0, 0.0, 4.0]])
