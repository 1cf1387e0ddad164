"""How much sooner are 64 adapters of SmolLM2 trained as one batch on a GPU than by PEFT one after the other?

Ranks 1, 2, 4, 8 at sixteen rates on all seven modules, ten pairs, 20 steps. Run by hand where there is a GPU:
`PYTHONPATH=. python benchmarks/gpu_language.py`. PEFT's side is one adapter's 20 steps, times 64. Losses are compared
where rounding is not amplified (rate 1e-3) and where it is (4.5e-3, to a loss of 0.002), each with the attention kernel
that torch chooses and with plain products; then one profiled step says what binds.
"""

from __future__ import annotations

import json
import statistics
from contextlib import nullcontext
from time import perf_counter

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile

from benchmarks.bench_language import padded, peft_model, their_step
from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.chat_sets import SETS
from lora_viz.networks.chat_training import PairsLaidOut, pairs_of, train_pairs
from lora_viz.networks.own_chat import ChatExperiment, adapted
from lora_viz.networks.smollm2 import END, Chat, find_smollm2, smollm2, smollm2_where_it_is_fast

RATES, RANKS, STEPS = np.geomspace(1e-4, 3e-2, 16), (1, 2, 4, 8), 20
CHECKED = (38, 42)  # rank 4 at 9.8e-4 and at 4.5e-3
SPECS = [AdapterSpec(rank=r, lr=float(lr)) for r in RANKS for lr in RATES]


def peft_run(chat: Chat, g: int, batch: dict[str, torch.Tensor]) -> tuple[list[float], float]:
    """Losses of one adapter's steps with PEFT, and the median seconds of one."""
    model, _ = peft_model(chat.model, AdapterBatch(chat.model.shape, SPECS, device="cuda"), g)
    model.cuda()
    rule = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=SPECS[g].lr, weight_decay=0.0)
    losses, times = [], []
    for _ in range(STEPS):
        torch.cuda.synchronize()
        before = perf_counter()
        losses.append(their_step(model, rule, batch))
        torch.cuda.synchronize()
        times.append(perf_counter() - before)
    return losses, statistics.median(times)


def our_run(chat: Chat, given: PairsLaidOut) -> tuple[np.ndarray, float]:
    """Losses (steps, adapters) of all adapters, and the seconds of all steps."""
    adapters = AdapterBatch(chat.model.shape, SPECS, device="cuda")
    torch.cuda.synchronize()
    began = perf_counter()
    losses = list(train_pairs(chat.model, adapters, given, STEPS))
    torch.cuda.synchronize()
    return np.array(losses), perf_counter() - began


def profiled(chat: Chat, given: PairsLaidOut) -> dict[str, float]:
    """Milliseconds of one step on the GPU by kind of kernel, and how long nothing ran."""
    adapters = AdapterBatch(chat.model.shape, SPECS, device="cuda")
    steps = train_pairs(chat.model, adapters, given, 4)
    next(steps), next(steps)
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as told:
        began = perf_counter()
        next(steps)
        torch.cuda.synchronize()
        whole = 1000 * (perf_counter() - began)
    found: dict[str, float] = {}
    for event in told.key_averages():
        if not event.self_device_time_total or event.device_type.name != "CUDA":
            continue
        name = event.key.lower()
        kind = next((kind for kind, words in KERNELS.items() if any(word in name for word in words)), "other")
        found[kind] = found.get(kind, 0.0) + event.self_device_time_total / 1000
    return {"whole": whole, "idle": whole - sum(found.values()), **found}


KERNELS = {
    "attention": ("attend_", "fmha", "attention", "softmax"),
    "gate": ("gate_",),
    "frozen products": ("multiply", "sm90_xmma"),
    "factors' products": ("gemm", "cutlass", "xmma", "cublas", "dot"),
    "gathers": ("index", "gather", "scatter", "cat"),
    "norms": ("norm",),
    "elementwise": ("elementwise", "vectorized", "reduce", "foreach", "copy", "memset", "memcpy"),
}


def own_ten(chat: Chat) -> float:
    """Seconds from a visitor's ten pairs to the last record: training, answers, perplexity and norms."""
    e = ChatExperiment(SETS["pirate"].pairs, AdapterSpec(rank=1, modules=("q_proj", "v_proj"), lr=0.01), (0, 1, 2))
    began = perf_counter()
    for _ in adapted(chat, e):
        pass
    return perf_counter() - began


def main() -> None:
    """One table, one last line."""
    path = find_smollm2()
    if path is None or not torch.cuda.is_available():
        print("No CUDA device or no SmolLM2 here: nothing was measured.")
        return
    on_cpu, chat = smollm2(path), smollm2_where_it_is_fast(path)
    given, found = pairs_of(chat, SETS["pirate"].pairs), {}
    batch = padded([([*chat.prefix, *chat.asked(q)], [*chat.encode(a), END]) for q, a in SETS["pirate"].pairs])
    batch = {name: value.cuda() for name, value in batch.items()}
    for precision, name in (("highest", "float32"), ("high", "TF32")):
        torch.set_float32_matmul_precision(precision)
        our_run(chat, given)  # warms up
        torch.cuda.reset_peak_memory_stats()
        losses, ours = our_run(chat, given)
        peak = torch.cuda.max_memory_allocated() / 2**30
        theirs = {g: peft_run(chat, g, batch) for g in CHECKED}
        step = statistics.median(seconds for _, seconds in theirs.values())
        found[name] = told = {"ours_s": ours, "peft_step_s": step, "ratio": 64 * STEPS * step / ours, "peak_GiB": peak}
        print(f"{name}: 64 adapters, {STEPS} steps {ours:.2f} s, PEFT {step:.3f} s a step, ratio {told['ratio']:.1f}, "
              f"peak {peak:.1f} GiB", flush=True)  # fmt: skip
        for kernel in ("chosen", "plain"):
            with sdpa_kernel(SDPBackend.MATH) if kernel == "plain" else nullcontext():
                own = losses if kernel == "chosen" else our_run(chat, given)[0]
                for g in CHECKED:
                    other = np.array(theirs[g][0] if kernel == "chosen" else peft_run(chat, g, batch)[0])
                    apart = np.abs(own[:, g] - other) / other
                    told[f"apart_{kernel}_{g}"] = float(apart.max())
                    print(f"  {kernel} attention, rate {SPECS[g].lr:.1e}: " + " ".join(f"{a:.0e}" for a in apart),
                          flush=True)  # fmt: skip
        told |= {f"profile_{kind}_ms": ms for kind, ms in profiled(chat, given).items()}
        print("  " + ", ".join(f"{k} {v:.1f}" for k, v in told.items() if k.startswith("profile")), flush=True)
    torch.set_float32_matmul_precision("highest")
    own_ten(chat)  # warms up
    found["own_ten"] = {"gpu_s": own_ten(chat), "cpu_s": own_ten(on_cpu)}
    print("a visitor's ten pairs: GPU {gpu_s:.1f} s, CPU {cpu_s:.1f} s".format(**found["own_ten"]), flush=True)
    print(json.dumps({"benchmark": "gpu_language", "where": torch.cuda.get_device_name(), **found}))


if __name__ == "__main__":
    main()
