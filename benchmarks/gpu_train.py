"""How fast does a GPU train thousands of adapters? Fused kernel, captured graph, PEFT's loop, all on the same device.

Run by hand where there is a GPU: `PYTHONPATH=. python benchmarks/gpu_train.py [--plot docs/gpu.png]`.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter

import numpy as np
import torch

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.kernels.fused import bin_width, prepare
from lora_viz.engine.kernels.graph import DeviceSteps, captured
from lora_viz.engine.stack import Statistics, pack
from lora_viz.engine.training import initial_state, train
from lora_viz.layer.tasks import make_task

BASE = Experiment(
    d_in=64, d_out=64, rank=16, target_rank=8, noise=0.1, samples=512, alpha=32.0, steps=1000, dtype="float32"
)
COUNTS, STEPS = (64, 1024, 4096, 16384), 1000
TF32_PEAK, FLOAT32_PEAK = 495e12, 67e12  # dense, from NVIDIA's data sheet of the H100 and H200 (SXM)


def sweep_of(count: int, base: Experiment = BASE) -> Sweep:
    """One task, ``count`` learning rates."""
    return Sweep.over(base, lr=np.geomspace(1e-3, 3e-2, count).tolist())


def flops(e: Experiment) -> int:
    """Floating-point operations of the six products of a step, white inputs."""
    r, di, do = e.rank, e.d_in, e.d_out
    return 4 * r * di * do + 4 * r * r * (di + do)


def timed(call: Callable[[], object], rounds: int = 5) -> float:
    """Median milliseconds on the device, by events, after one call that is not counted."""
    call()
    times = []
    for _ in range(rounds):
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        before.record()
        call()
        after.record()
        torch.cuda.synchronize()
        times.append(before.elapsed_time(after))
    return statistics.median(times)


def whole(call: Callable[[], object], rounds: int = 5) -> float:
    """Median milliseconds by the host's clock, everything included."""
    call()
    times = []
    for _ in range(rounds):
        began = perf_counter()
        call()
        times.append(1000 * (perf_counter() - began))
    return statistics.median(times)


@torch.inference_mode()
def fused_ms(sweep: Sweep) -> float:
    """The kernel alone, all steps."""
    from lora_viz.engine.kernels.fused_kernel import train_bin

    e = sweep[0]
    stack = pack(sweep, torch.float32, "cuda", bin_width(sweep))
    start = initial_state(sweep, stack, "cuda", make_task(e))
    launch, *_ = prepare(sweep, stack, start, Statistics(make_task(e), e, start), [0, e.steps])
    return timed(lambda: train_bin[(launch.programs,)](*launch.arguments, **launch.constants))


@torch.inference_mode()
def graph_ms(sweep: Sweep) -> float:
    """The captured step alone, 50 replays scaled to all steps."""
    e = sweep[0]
    stack = pack(sweep, torch.float32, "cuda")
    start = initial_state(sweep, stack, "cuda", make_task(e))
    replay = captured(DeviceSteps(sweep, stack, start, Statistics(make_task(e), e, start)))
    return timed(lambda: [replay() for _ in range(50)]) * e.steps / 50


def peft_step_us() -> float:
    """One step of PEFT with torch.optim.Adam, one adapter, on the same GPU."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from peft import LoraConfig, get_peft_model
    net = torch.nn.Sequential()
    net.add_module("fc", torch.nn.Linear(BASE.d_in, BASE.d_out, bias=False))
    model = get_peft_model(net, LoraConfig(r=BASE.rank, lora_alpha=BASE.alpha, target_modules=["fc"])).cuda()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
    x, y = torch.randn(BASE.samples, BASE.d_in).cuda(), torch.randn(BASE.samples, BASE.d_out).cuda()

    def steps() -> None:
        for _ in range(100):
            optimizer.zero_grad()
            (0.5 * ((model(x) - y) ** 2).sum() / BASE.samples).backward()
            optimizer.step()

    return 10 * timed(steps)


def accuracy() -> dict[str, float]:
    """The largest relative difference of loss curves of 300 steps from the CPU's in float64, learning rates to 0.01."""
    sweep = Sweep.over(replace(BASE, steps=300), lr=np.geomspace(1e-3, 1e-2, 16).tolist())
    exact = train(Sweep(tuple(replace(e, dtype="float64") for e in sweep.experiments)), records=61)

    def off(run: object) -> float:
        return float(np.abs(run.loss / exact.loss - 1).max())  # type: ignore[attr-defined]

    found = {"difference, cpu float32": off(train(sweep, records=61))}
    for name, precision in (("", "highest"), (" TF32", "high")):
        torch.set_float32_matmul_precision(precision)
        for engine in ("fused", "graph"):
            found[f"difference, {engine}{name}"] = off(train(sweep, "cuda", records=61, engine=engine))
    torch.set_float32_matmul_precision("highest")
    return found


def phase_map() -> dict[str, float]:
    """64×64 adapters from the sweep's description to losses on the host."""
    found = {}
    for name, base in (
        ("d32_r4_200_steps", Experiment(d_in=32, d_out=32, rank=4, steps=200, dtype="float32")),
        ("d64_r16_200_steps", replace(BASE, steps=200)),
    ):
        axes = {"lr": np.geomspace(1e-4, 1, 64).tolist(), "alpha": np.linspace(1, 64, 64).tolist()}
        sweep = Sweep.over(base, **axes)
        found[f"{name}_describe_ms"] = whole(lambda base=base, axes=axes: Sweep.over(base, **axes))
        found[f"{name}_train_ms"] = whole(lambda sweep=sweep: train(sweep, "cuda", records=2, factors=False))
    return found


def several() -> dict[str, float]:
    """One large sweep on one GPU and on all that are visible: the whole of ``train``, and the same losses."""
    gpus = torch.cuda.device_count()
    count, found = torch.cuda.device_count, {}
    for steps in (1000, 4000):
        sweep, runs = sweep_of(32768, replace(BASE, steps=steps)), []
        for used in sorted({1, gpus}):
            torch.cuda.device_count = lambda used=used: used
            run = lambda sweep=sweep: train(sweep, "cuda", records=2, factors=False)  # noqa: E731
            runs.append(run())
            found[f"32768 adapters, {steps} steps, {used} GPU, ms"] = whole(run, 3)
        found[f"largest difference, {steps} steps"] = float(np.abs(runs[-1].loss / runs[0].loss - 1).max())
    torch.cuda.device_count = count
    return found


def main() -> None:
    """One table, one last line."""
    if not torch.cuda.is_available():
        print("No CUDA device here: nothing was measured.")
        return
    import triton

    torch.set_num_threads(1)
    where = f"{torch.cuda.get_device_name()} ×{torch.cuda.device_count()}, torch {torch.__version__}, CUDA {torch.version.cuda}, Triton {triton.__version__}"  # noqa: E501
    print(where)
    figures: dict[str, object] = {"benchmark": "gpu_train", "where": where, "peft_us_a_step": peft_step_us()}
    rates: dict[str, list[float]] = {}
    print(f"PEFT + torch.optim.Adam, one adapter: {figures['peft_us_a_step']:.0f} µs a step")
    print(f"{'d=64 r=16 Adam, 1000 steps':28s}{'adapters':>9s}{'ms':>9s}{'adapter-steps/s':>17s}{'TFLOP/s':>9s}")
    for name, call, precision in (
        ("fused, TF32", fused_ms, "high"),
        ("fused, float32 (3×TF32)", fused_ms, "highest"),
        ("graph, TF32", graph_ms, "high"),
        ("graph, float32", graph_ms, "highest"),
    ):
        torch.set_float32_matmul_precision(precision)
        for count in COUNTS:
            ms = call(sweep_of(count))
            rate = count * STEPS / ms * 1000
            rates.setdefault(name, []).append(rate)
            figures[f"{name} {count}"] = ms
            print(f"{name:28s}{count:9d}{ms:9.2f}{rate:17.3g}{rate * flops(BASE) / 1e12:9.1f}")
    for d, r in ((32, 4), (32, 16), (64, 32), (64, 64), (128, 16), (128, 32), (256, 16)):
        for precision in ("high", "highest"):
            torch.set_float32_matmul_precision(precision)
            sweep = sweep_of(4096, replace(BASE, d_in=d, d_out=d, rank=r))
            engine = train(sweep_of(4, sweep[0]), "cuda", records=2).engine
            ms = (fused_ms if engine.startswith("fused") else graph_ms)(sweep)
            figures[f"d{d} r{r} {engine}"] = ms
            print(f"{f'd={d} r={r}: {engine}':28s}{4096:9d}{ms:9.2f}{4096e6 / ms:17.3g}")
    torch.set_float32_matmul_precision("highest")
    for group in (accuracy, phase_map, several):
        figures |= (found := group())
        for name, value in found.items():
            print(f"{name:44s}{value:12.4g}")
    if "--plot" in sys.argv:
        plot(rates, 1e6 / float(str(figures["peft_us_a_step"])), where, sys.argv[sys.argv.index("--plot") + 1])
    print(json.dumps({k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in figures.items()}))


def plot(rates: dict[str, list[float]], peft: float, where: str, path: str) -> None:
    """Adapter-steps a second over the number of adapters; needs matplotlib, which nothing else does."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), dpi=100)
    for (name, values), colour in zip(rates.items(), ("#d55e00", "#e69f00", "#0072b2", "#56b4e9"), strict=True):
        axes.loglog(COUNTS, values, "o-", label=name, color=colour)
    axes.axhline(peft, color="grey", linestyle="--", label="PEFT, one adapter after the other")
    axes.set(xlabel="adapters trained at once", ylabel="adapter-steps a second")
    axes.set_title(f"d = 64, r = 16, Adam\n{where}", fontsize=9)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    main()
