"""The section Real models and files: claims computed from the files and shapes themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from safetensors.numpy import load
from safetensors.torch import load as load_in_torch

from lora_viz.lessons.lesson import Played
from lora_viz.lessons.real import adapters_together, digits, extract
from lora_viz.networks.minilm_evidence import minilm_evidence
from tests.examination.predicates.registry import claim_of


@claim_of("cost_layer")
def one_percent_ends_at_d_over_200(played: Played[Any]) -> bool:
    """Multiplications by hand: 2 of 3 products stay, and each factor adds three of its own."""
    d_out, d_in = (int(side) for side in played.settings["layer"].split("×"))
    if d_out != d_in:
        return False
    ranks = [int(r) for r in played.table["rank"]]
    cheap = [r for r in ranks if 100 * r * (d_out + d_in) < d_out * d_in]
    work = [(2 * d_out * d_in + 3 * r * (d_out + d_in)) / (3 * d_out * d_in) for r in ranks]
    return cheap == [r for r in ranks if 200 * r < d_in] and min(work) >= 2 / 3


@claim_of("storage")
def truncated_saves_below_break_even(played: Played[Any]) -> bool:
    """Entries counted by adding up the sizes of the arrays, shape by shape."""
    r = played.record
    m, n = r.shape
    entries = {int(k): m * k + k + k * n for k in r.rank}
    saving = [k for k, count in entries.items() if count < m * n]
    losing = [k for k, count in entries.items() if count >= m * n]
    most = min(m, n)
    split = max(saving, default=0) < m * n / (m + n + 1) <= min(losing, default=most + 1)
    return bool(split and m * most + most + most * n > m * n)


@claim_of("two_adapters")
def ranks_of_a_sum_are_at_most_the_sum(played: Played[Any]) -> bool | None:
    """From the table, module by module."""
    t = played.table
    known = np.isfinite(t["overlap_inputs"]) & np.isfinite(t["overlap_outputs"])
    if not known.any():
        return None
    return bool((t["numerical_rank_of_sum"] <= t["rank_1"] + t["rank_2"])[known].all())


def least_rank(run: Any) -> int:
    """The least rank whose median is within a point of full fine-tuning's at the end; 0 if none."""
    ended = {name: sorted(run.new[-1, m]) for m, name in enumerate(run.methods)}
    medians = {name: 0.5 * (own[(len(own) - 1) // 2] + own[len(own) // 2]) for name, own in ended.items()}
    near = [int(name[2:]) for name, own in medians.items() if name[:2] == "r=" and own >= medians["full"] - 0.01]
    return min(near, default=0)


@claim_of("digits")
def rotated_from_4_or_8_inverted_never(played: Played[Any]) -> bool | None:
    """The accuracies of every network, sorted."""
    run = digits.adapted(played.settings, played.lab)
    if not np.isfinite(run.new[-1]).all() or played.settings["change"] not in ("rotated", "inverted"):
        return None
    enough = least_rank(run)
    return enough in (4, 8) if played.settings["change"] == "rotated" else enough == 0


@claim_of("minilm")
def steep_with_a_long_tail(played: Played[Any]) -> bool:
    """From the recorded singular values of every seed and matrix, and the errors with two directions kept."""
    evidence = minilm_evidence()
    energy = evidence.delta.reshape(-1, evidence.delta.shape[-1]) ** 2
    n = energy.shape[1]
    first = np.median(energy[:, 0] / energy.sum(axis=1))
    noise = np.linalg.svd(np.random.default_rng(3).standard_normal((n, n)), compute_uv=False) ** 2
    for_90 = np.median([np.searchsorted(np.cumsum(own) / own.sum(), 0.9) + 1 for own in energy])
    right = {int(k): np.median(own) for k, own in zip(evidence.kept_k, evidence.kept[0], strict=True)}
    gained = (right[2] - right[0]) / (np.median(evidence.full) - right[0])
    return bool(first > 3 * noise[0] / noise.sum() and for_90 > n / 10 and gained > 0.5)


@claim_of("adapters_together")
def ranks_add_up_tasks_do_not(played: Played[Any]) -> bool | None:
    """The rank of the dense sum by torch, accuracies of both adapters added, and factors averaged by hand."""
    _, run = adapters_together.adapted(played.settings, played.lab)
    if not np.isfinite(run.mixed).all():
        return None
    delta = run.scaling * run.B @ run.A
    total = int(torch.linalg.matrix_rank(torch.tensor(delta.sum(axis=0)), rtol=1e-6)) if delta.any() else 0
    if not total:
        return None
    one = int(np.flatnonzero(np.isclose(run.grid_weight, 1))[0])
    left = [
        np.median(run.grid[one, one, k]) / np.median(run.mixed[end, k]) for k, end in ((0, 0), (1, -1))
    ]  # fmt: skip
    off = float(np.median(run.difference[len(run.weight) // 2]))
    return bool(total == 2 * run.A.shape[1] and min(left) < 0.9 and off > 0.1)


@claim_of("extract")
def much_not_all(played: Played[Any]) -> bool:
    """Singular values of the differences of both files, read with safetensors' own reader."""
    base, tuned = (load(file.data) for file in extract._pair(played.settings))
    rank = int(played.settings["extract_rank"])
    kept = flat = whole = 0.0
    for name, old in base.items():
        change = tuned[name].astype(float) - old.astype(float)
        if old.ndim == 2 and change.any():
            energy = np.linalg.svd(change, compute_uv=False) ** 2
            kept, whole = kept + float(energy[:rank].sum()), whole + float(energy.sum())
            flat += float(energy.sum()) * min(1.0, rank / len(energy))
    return 0.5 <= kept / whole < 0.99 and kept > 1.5 * flat


@claim_of("inspector")
def one_rank_for_all(played: Played[Any]) -> bool | None:
    """From the table of modules."""
    t = played.table
    fine = (t["norm_delta"] > 0) & (t["not_finite"] == 0)
    return None if not fine.any() else len(set(t["rank"][fine].tolist())) == 1


@claim_of("budget")
def memory_falls_by_less(played: Played[Any]) -> bool:
    """The bytes of every part added up, against the parameters counted matrix by matrix."""
    b = played.record.budget
    trained = sum(b.rank * (m.d_in + m.d_out) * m.copies for m in b.shape.chosen(b.targets))
    parts = ("weights", "gradients", "optimizer", "activations")
    full, lora = (sum(getattr(b.memory[k], part) for part in parts) for k in (0, 1))
    return bool(b.shape.total / trained > 2 * full / lora)


@claim_of("training_faults")
def the_faults_file_holds_almost_nothing(played: Played[Any]) -> bool | None:
    """ΔW formed from the two files by the names that the base has, and the losses of the table."""
    t, norms = played.table, []
    for data in played.record.files:
        tensors = load_in_torch(data)
        parts = [
            tensors[f"base_model.model.{place}.lora_B.weight"].double()
            @ tensors[f"base_model.model.{place}.lora_A.weight"].double()
            if f"base_model.model.{place}.lora_B.weight" in tensors
            else torch.zeros(1)
            for place in ("layers.0.mlp.up_proj", "layers.1.mlp.up_proj")
        ]
        norms.append(sum(float(part.square().sum()) for part in parts) ** 0.5)
    ended = [t["loss_fault"][-1], t["loss_remedy"][-1], *norms]
    if not np.isfinite(ended).all() or t["loss_remedy"][-1] > 0.8 * t["loss_remedy"][0]:
        return None
    return norms[0] <= norms[1] / 10


@claim_of("step_time")
def lora_is_not_three_times_as_fast(played: Played[Any]) -> bool:
    """From the table: products counted by hand for the layer, and ratios of the times that were recorded."""
    t = played.table
    d, r, n = (t[name].astype(float) for name in ("width", "rank", "tokens"))
    if played.settings["subject"] == "layer":
        assert (t["multiply_adds_lora"] == 2 * n * d * d + 6 * n * d * r).all()
    kept = (3 * t["multiply_adds_lora"] >= 2 * t["multiply_adds_full"]).all()
    fast = (t["seconds_full"] < 3 * t["seconds_lora"]).all()
    slow = (t["seconds_dora"] > t["seconds_lora"]).all()
    return bool(kept and fast and slow and (t["saved_bytes_lora_fa"] < t["saved_bytes_lora"]).all())
