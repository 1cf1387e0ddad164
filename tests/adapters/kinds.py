"""Small files of every kind that is read, written from their published formats, and the dense ΔW each must give."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from safetensors.torch import save as save_torch

__all__ = ["KINDS", "Kind", "torch_bytes"]

R, OUT, IN = 3, 13, 19


@dataclass(frozen=True)
class Kind:
    """One kind of file: what it is called in the docs, who writes it, its bytes, and ΔW of its modules (float64).

    ``scaled``: the scale is in the file or its configuration, and is in ΔW; else ΔW is that of B·A.
    """

    title: str
    written_by: str
    data: bytes
    delta: tuple[np.ndarray, ...]
    scaled: bool
    config: bytes | None = None
    scheme: str = ""
    how: str = ""
    paths: tuple[str, ...] = field(default=())


def torch_bytes(what: object) -> bytes:
    out = io.BytesIO()
    torch.save(what, out)
    return out.getvalue()


def _rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1000 * seed + sum(shape)), dtype=torch.float64)


def _f(tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> bytes:
    return save_torch({k: v.contiguous().clone() for k, v in tensors.items()}, metadata)


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def _gguf(tensors: dict[str, torch.Tensor], alpha: float) -> bytes:
    """A GGUF file of version 3, as llama.cpp's convert_lora_to_gguf.py writes an adapter: strings, floats, F32."""

    def text(words: str) -> bytes:
        return struct.pack("<Q", len(words)) + words.encode()

    said = [text(key) + struct.pack("<I", 8) + text(value) for key, value in
            (("general.architecture", "llama"), ("general.type", "adapter"), ("adapter.type", "lora"))]  # fmt: skip
    said.append(text("adapter.lora.alpha") + struct.pack("<If", 6, alpha))
    listed, data = b"", b""
    for name, m in tensors.items():
        listed += text(name) + struct.pack(f"<I{m.ndim}Q", m.ndim, *m.shape[::-1]) + struct.pack("<IQ", 0, len(data))
        raw = m.float().contiguous().numpy().tobytes()
        data += raw + bytes(-len(raw) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(said)) + b"".join(said) + listed
    return head + bytes(-len(head) % 32) + data


A, B = _rand(R, IN, seed=1), _rand(OUT, R, seed=2)
BA = (B @ A).numpy()


def _pair(a: str, b: str, turned: bool = False) -> dict[str, torch.Tensor]:
    return {a: A.T if turned else A, b: B.T if turned else B}


def _lycoris() -> dict[str, Kind]:
    w1a, w1b, w2a, w2b = _rand(OUT, 2), _rand(2, IN), _rand(OUT, 2, seed=3), _rand(2, IN, seed=4)
    loha = {"m.hada_w1_a": w1a, "m.hada_w1_b": w1b, "m.hada_w2_a": w2a, "m.hada_w2_b": w2b}
    alpha = {"m.alpha": torch.tensor(1.0)}
    core1, core2 = _rand(2, 2, 3, 3), _rand(2, 2, 3, 3, seed=5)
    tucker = {"m.hada_w1_a": w1a.T, "m.hada_w1_b": w1b, "m.hada_w2_a": w2a.T, "m.hada_w2_b": w2b, "m.hada_t1": core1,
              "m.hada_t2": core2}  # fmt: skip

    def rebuilt(t: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.einsum("i j k l, j r, i p -> p r k l", t, b, a)

    hard = rebuilt(core1, w1a.T, w1b) * rebuilt(core2, w2a.T, w2b)
    k1, k2, k2a, k2b = _rand(3, 2), _rand(5, 7), _rand(5, 2, seed=6), _rand(2, 7, seed=7)
    t2, ta, tb = _rand(2, 2, 3, 3, seed=8), _rand(2, 5, seed=9), _rand(2, 7, seed=10)
    conv = rebuilt(t2, ta, tb)
    up, mid, down = _rand(OUT, R, 1, 1), _rand(R, R, 3, 3), _rand(R, 5, 1, 1)
    loconv = torch.einsum("o i, i j m n, j p -> o p m n", up[:, :, 0, 0], mid, down[:, :, 0, 0])
    return {
        "loha": Kind("LoHa", "LyCORIS, PEFT", _f(loha | alpha), (0.5 * ((w1a @ w1b) * (w2a @ w2b)).numpy(),), True,
                     scheme="LyCORIS", how="(B₁A₁) ⊙ (B₂A₂), formed as a product of rank r₁r₂"),
        "loha_tucker": Kind("LoHa of a convolution (Tucker)", "LyCORIS", _f(tucker | alpha),
                            (0.5 * hard.flatten(1).numpy(),), True, scheme="LyCORIS"),
        "loha_peft": Kind("LoHa with a configuration", "PEFT",
                          _f({f"base_model.model.{k}": v for k, v in loha.items()}),
                          (4.0 * ((w1a @ w1b) * (w2a @ w2b)).numpy(),), True,
                          _json(peft_type="LOHA", r=2, alpha=8), "LyCORIS"),
        "lokr": Kind("LoKr", "LyCORIS, PEFT", _f({"m.lokr_w1": k1, "m.lokr_w2_a": k2a, "m.lokr_w2_b": k2b} | alpha),
                     (0.5 * np.kron(k1.numpy(), (k2a @ k2b).numpy()),), True, scheme="LyCORIS",
                     how="W₁ ⊗ W₂, from both factors' own"),
        "lokr_whole": Kind("LoKr with two whole factors", "LyCORIS", _f({"m.lokr_w1": k1, "m.lokr_w2": k2} | alpha),
                           (np.kron(k1.numpy(), k2.numpy()),), True, scheme="LyCORIS", how="α is not used"),
        "lokr_whole_peft": Kind("LoKr with two whole factors and a configuration", "PEFT",
                                _f({"base_model.model.m.lokr_w1": k1, "base_model.model.m.lokr_w2": k2}),
                                (2.0 * np.kron(k1.numpy(), k2.numpy()),), True,
                                _json(peft_type="LOKR", r=4, alpha=8), "LyCORIS", "α/r is used all the same"),
        "lokr_tucker": Kind("LoKr of a convolution (Tucker)", "LyCORIS",
                            _f({"m.lokr_w1": k1, "m.lokr_w2_a": ta, "m.lokr_w2_b": tb, "m.lokr_t2": t2} | alpha),
                            (0.5 * torch.kron(k1[..., None, None], conv.contiguous()).reshape(15, -1).numpy(),),
                            True, scheme="LyCORIS"),
        "locon_mid": Kind("LoCon with a middle factor", "LyCORIS",
                          _f({"m.lora_up.weight": up, "m.lora_mid.weight": mid, "m.lora_down.weight": down,
                              "m.alpha": torch.tensor(6.0)}), (2.0 * loconv.flatten(1).numpy(),), True, scheme="kohya"),
    }  # fmt: skip


def _stacks() -> dict[str, Kind]:
    E = 4
    a, b = _rand(E * 2, IN), _rand(OUT, 2 * E)
    ours = torch.einsum("o r e, e r i -> e o i", b.reshape(OUT, 2, E), a.reshape(E, 2, IN)).numpy()
    a3, b3 = _rand(E, R, IN), _rand(E, OUT, R)
    q = {"base_model.model.q.lora_A.weight": A, "base_model.model.q.lora_B.weight": B}
    return {
        "target_parameters": Kind(
            "Experts stacked by target_parameters", "PEFT ≥ 0.17",
            _f({"base_model.model.mlp.experts.lora_A.weight": a, "base_model.model.mlp.experts.lora_B.weight": b}),
            tuple(4.0 * ours), True,
            _json(peft_type="LORA", r=2, lora_alpha=8, target_parameters=["mlp.experts.down_proj"]), "PEFT",
            "E modules of rank r"),
        "experts_3d": Kind("Experts as tensors of three dimensions", "MLX (SwitchLinear) and others",
                           _f({"mlp.switch.lora_a": a3, "mlp.switch.lora_b": b3}), tuple(10.0 * (b3 @ a3).numpy()),
                           True, _json(fine_tune_type="lora", lora_parameters={"rank": R, "scale": 10.0}), "MLX"),
        "two_adapters": Kind("Two adapters of one model in one file", "model.state_dict()",
                             torch_bytes({f"base_model.model.q.lora_{x}.{n}.weight": t * k for n, k in
                                          (("one", 1), ("two", 2)) for x, t in (("A", A), ("B", B))}),
                             (2 * BA, 8 * BA), True, _json(peft_type="LORA", r=R, lora_alpha=6), "PEFT"),
        "patterns": Kind("alpha_pattern, rank_pattern, rsLoRA", "PEFT",
                         _f(q | {"base_model.model.l.0.k.lora_A.weight": A, "base_model.model.l.0.k.lora_B.weight": B}),
                         (12 / R**0.5 * BA, 6 / R**0.5 * BA), True,
                         _json(peft_type="LORA", r=R, lora_alpha=6, use_rslora=True,
                               alpha_pattern={r"l\.[0-3]\.(k|v)": 12}), "PEFT", "matched as PEFT does"),
    }  # fmt: skip


def _named() -> dict[str, Kind]:
    lam = _rand(R, 1, seed=11)
    vA, vB, d, b = _rand(R, IN), _rand(OUT, R), _rand(R, seed=12), _rand(OUT, seed=13)
    fp8 = {k: v.float().to(torch.float8_e4m3fn) for k, v in _pair("m.lora_A.weight", "m.lora_B.weight").items()}
    from8 = (fp8["m.lora_B.weight"].double() @ fp8["m.lora_A.weight"].double()).numpy()
    meta = {"lora_adapter_metadata": json.dumps({"transformer.r": R, "transformer.lora_alpha": 12})}
    P = "base_model.model."
    return {
        "peft": Kind("LoRA", "PEFT", _f(_pair(f"{P}q.lora_A.weight", f"{P}q.lora_B.weight")), (2 * BA,), True,
                     _json(peft_type="LORA", r=R, lora_alpha=6), "PEFT", "α/r from adapter_config.json"),
        "dora": Kind("DoRA, magnitude with and without .weight", "PEFT",
                     _f(_pair(f"{P}q.lora_A.weight", f"{P}q.lora_B.weight")
                        | {f"{P}q.lora_magnitude_vector.weight": torch.ones(OUT)}), (2 * BA,), True,
                     _json(peft_type="LORA", r=R, lora_alpha=6, use_dora=True), "PEFT", "its low-rank part"),
        "adalora": Kind("AdaLoRA", "PEFT",
                        _f(_pair(f"{P}q.lora_A", f"{P}q.lora_B") | {f"{P}q.lora_E": lam}),
                        (6 / (R + 1e-5) * (B @ (A * lam)).numpy(),), True,
                        _json(peft_type="ADALORA", init_r=R, lora_alpha=6), "loralib", "B·diag(λ)·A"),
        "kasa": Kind("KaSA", "KaSA", _f(_pair(f"{P}q.lora_A.weight", f"{P}q.lora_B.weight")
                                        | {f"{P}q.lora_diag": lam.ravel()}), (2 * (B @ (A * lam)).numpy(),), True,
                     _json(peft_type="LORA", r=R, lora_alpha=6), "PEFT", "B·diag(λ)·A"),
        "vera": Kind("VeRA with its projections", "PEFT",
                     _f({f"{P}vera_A": vA, f"{P}vera_B": vB, f"{P}q.vera_lambda_d": d, f"{P}q.vera_lambda_b": b}),
                     ((b[:, None] * vB @ (d[:, None] * vA)).numpy(),), True, _json(peft_type="VERA", r=R), "VeRA",
                     "layers that use the whole shared factors"),
        "adapterhub": Kind("LoRA", "AdapterHub", torch_bytes(_pair("l.q.loras.mine.lora_A", "l.q.loras.mine.lora_B")),
                           (3 * BA,), True, _json(config={"architecture": "lora", "r": R, "alpha": 9,
                                                          "composition_mode": "add"}, name="mine"), "AdapterHub"),
        "paddle": Kind("LoRA, A (d_in, r)", "PaddleNLP", _f(_pair("l.q.lora_A", "l.q.lora_B", True)), (4 * BA,), True,
                       _json(r=R, lora_alpha=12, rslora=False), "loralib", "told by shapes and rank"),
        "loralib": Kind("LoRA", "loralib", torch_bytes(_pair("l.q.lora_A", "l.q.lora_B")), (BA,), False,
                        scheme="loralib"),
        "torchtune": Kind("LoRA", "torchtune", torch_bytes(_pair("l.q.lora_a.weight", "l.q.lora_b.weight")), (BA,),
                          False, scheme="torchtune"),
        "mlx": Kind("LoRA, A (d_in, r)", "MLX", _f(_pair("l.q.lora_a", "l.q.lora_b", True)), (20 * BA,), True,
                    _json(fine_tune_type="lora", lora_parameters={"rank": R, "scale": 20.0}), "MLX",
                    "s is written as it is"),
        "own": Kind("LoRA in layers of one's own", "from-scratch tutorials",
                    torch_bytes(_pair("l.q.lora.A", "l.q.lora.B", True)), (BA,), False, scheme="own layers"),
        "nested": Kind("Tables within tables", "torch.save of a training's state",
                       torch_bytes({"epoch": 3, "optimizer": {"a": torch.ones(2)}, "net": {"state":
                                    _pair("l.q.lora_A.weight", "l.q.lora_B.weight")}}), (BA,), False, scheme="PEFT"),
        "by_module": Kind("A table per module", "torch.save",
                          torch_bytes({"l": {"0": _pair("lora_A", "lora_B")}}), (BA,), False, scheme="loralib",
                          paths=("l.0",)),
        "nemo": Kind("LoRA", "NeMo, Megatron Bridge",
                     _f(_pair("l.q.adapter.linear_in.weight", "l.q.adapter.linear_out.weight")), (BA,), False,
                     scheme="NeMo", paths=("l.q",)),
        "deepspeed": Kind("LoRA, A (d_in, r)", "DeepSpeed-Chat",
                          torch_bytes(_pair("l.q.lora_right_weight", "l.q.lora_left_weight", True)), (BA,), False,
                          scheme="DeepSpeed-Chat"),
        "kohya": Kind("LoRA", "kohya's sd-scripts",
                      _f(_pair("lora_unet_a.lora_down.weight", "lora_unet_a.lora_up.weight")
                         | {"lora_unet_a.alpha": torch.tensor(6)}), (2 * BA,), True, scheme="kohya",
                      how="α beside, of any type"),
        "kohya_header": Kind("LoRA, α in the header alone", "kohya's sd-scripts",
                             _f(_pair("lora_unet_a.lora_down.weight", "lora_unet_a.lora_up.weight"),
                                {"ss_network_dim": "3", "ss_network_alpha": "1.5"}), (0.5 * BA,), True, scheme="kohya"),
        "diffusers": Kind("LoRA", "diffusers, old names",
                          _f(_pair("a.processor.to_q_lora.down.weight", "a.processor.to_q_lora.up.weight")), (BA,),
                          False, scheme="diffusers"),
        "diffusers_header": Kind("LoRA, α in the header", "diffusers",
                                 _f(_pair("transformer.to_q.lora_A.weight", "transformer.to_q.lora_B.weight"), meta),
                                 (4 * BA,), True, scheme="PEFT"),
        "comfy": Kind("LoRA, α beside lora_A", "ComfyUI, musubi-tuner",
                      _f(_pair("diffusion_model.q.lora_A.weight", "diffusion_model.q.lora_B.weight")
                         | {"diffusion_model.q.alpha": torch.tensor(1.5)}), (0.5 * BA,), True, scheme="PEFT"),
        "xlabs": Kind("LoRA of Flux", "XLabs", _f(_pair("d.0.processor.qkv_lora1.down.weight",
                                                        "d.0.processor.qkv_lora1.up.weight")), (BA,), False,
                      scheme="XLabs", paths=("d.0.processor.qkv_lora1",)),
        "control": Kind("control-lora", "Stability", _f(_pair("in.1.down", "in.1.up")
                                                        | {"lora_controlnet": torch.zeros(1)}), (BA,), True,
                        scheme="control-lora"),
        "gguf": Kind("LoRA", "llama.cpp (GGUF)",
                     _gguf({"blk.0.attn_q.weight.lora_a": A, "blk.0.attn_q.weight.lora_b": B}, 6.0),
                     (2 * (B.float().double() @ A.float().double()).numpy(),), True, scheme="GGUF",
                     how="α in its header", paths=("blk.0.attn_q",)),
        "fp8": Kind("LoRA in 8-bit floats", "any", _f(fp8), (from8,), False, scheme="PEFT"),
    }  # fmt: skip


def _all() -> dict[str, Kind]:
    parts: tuple[Callable[[], dict[str, Kind]], ...] = (_named, _lycoris, _stacks)
    return {name: kind for part in parts for name, kind in part().items()}


KINDS = _all()
