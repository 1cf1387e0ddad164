"""Small adapter files with spectra that are known, for the tests of the lessons on files."""

import torch
from safetensors.torch import save as save_torch

from lora_viz.lessons.controls import Upload

Factors = tuple[torch.Tensor, torch.Tensor]


def spiked(*sigma: float, d_out: int = 11, d_in: int = 13, seed: int = 0) -> Factors:
    """Factors whose product has exactly these singular values."""
    g = torch.Generator().manual_seed(seed)
    u = torch.linalg.qr(torch.randn(d_out, len(sigma), generator=g).double())[0]
    v = torch.linalg.qr(torch.randn(d_in, len(sigma), generator=g).double())[0]
    return torch.tensor(sigma).double()[:, None] * v.T, u


def file_of(modules: dict[str, Factors], alpha: float | None = 4) -> tuple[Upload, ...]:
    """An adapter of these modules, and its configuration where an α is given."""
    tensors = {}
    for path, (A, B) in modules.items():
        tensors |= {f"{path}.lora_A.weight": A.clone().contiguous(), f"{path}.lora_B.weight": B.clone().contiguous()}
    weights = Upload("mine.safetensors", save_torch(tensors))
    return (weights,) if alpha is None else (weights, Upload("adapter_config.json", b'{"lora_alpha": %d}' % alpha))


def adapter(rank: int = 3, seed: int = 0) -> bytes:
    """A PEFT file of two modules 7×13, no configuration."""
    g = torch.Generator().manual_seed(seed)
    tensors = {}
    for i in range(2):
        tensors[f"base_model.model.net.{i}.q.lora_A.weight"] = torch.randn(rank, 13, generator=g)
        tensors[f"base_model.model.net.{i}.q.lora_B.weight"] = torch.randn(7, rank, generator=g)
    return save_torch(tensors)
