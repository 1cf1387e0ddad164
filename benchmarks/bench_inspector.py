"""How long does a large adapter take after its upload? 268 MB of float32: 32 layers of four modules, d = 4096, r = 64.

Timed is what the page does between having the bytes and having its film: opening, measuring every module, the doctor's
look, laying out. With `--large` then a file of just under 2 GB on the disk, written for it and taken away again: its
seconds, and the memory that the process took beyond what it had.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import tracemalloc
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from lora_viz.adapters.diagnosis import diagnose
from lora_viz.adapters.opening import open_adapter
from lora_viz.adapters.report import inspect_adapter
from lora_viz.adapters.source import FromDisk
from lora_viz.adapters.writing import PREFIX, pack, write_safetensors
from lora_viz.lessons.real.adapter_report import adapter_report
from lora_viz.lessons.real.inspector import LESSON, film

LAYERS, MODULES, D, RANK, ROUNDS, TARGET_S = 32, "qkvo", 4096, 64, 5, 2.0
SETTINGS = LESSON.settings()
LARGE = 7  # times as many layers: 1.88 GB


def synthetic() -> bytes:
    """Random factors whose singular values fall over four decades."""
    rng = np.random.default_rng(0)
    fall = np.geomspace(1.0, 1e-4, RANK, dtype=np.float32)
    tensors = {}
    for layer in range(LAYERS):
        for name in MODULES:
            path = f"{PREFIX}model.layers.{layer}.self_attn.{name}_proj"
            A, B = rng.standard_normal((RANK, D), np.float32), rng.standard_normal((D, RANK), np.float32)
            tensors[f"{path}.lora_A.weight"] = pack(A * fall[:, None], "F32")
            tensors[f"{path}.lora_B.weight"] = pack(B, "F32")
    return write_safetensors(tensors)


def _largest() -> float:
    """The largest resident size of this process so far, in MB, as Linux keeps it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def large() -> dict[str, float]:
    """A file of nearly 2 GB from the disk: seconds of the processor, and the growth of the largest resident size.

    The same tensors under other names, one after the other, so that no 2 GB are held to write them.
    """
    one = synthetic()
    start = 8 + int.from_bytes(one[:8], "little")
    header = json.loads(one[8:start])
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    size = len(one) - start
    names = {
        name.replace("layers.", f"layers.{k}"): entry
        | {"data_offsets": [k * size + at for at in entry["data_offsets"]]}
        for k in range(1, LARGE + 1)
        for name, entry in entries.items()
    }
    names = {n: e | {"data_offsets": [at - size for at in e["data_offsets"]]} for n, e in names.items()}
    text = json.dumps({"__metadata__": {"format": "pt"}} | names).encode()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder) / "adapter_model.safetensors"
        with path.open("wb") as out:
            out.write(len(text).to_bytes(8, "little") + text)
            for _ in range(LARGE):
                out.write(one[start:])
        del one
        Path("/proc/self/clear_refs").write_text(
            "5", encoding="utf-8"
        )  # the largest size begins anew at the size of now
        before, worked = _largest(), process_time()
        opened = open_adapter(path.name, FromDisk(str(path), Path(folder)))
        report = inspect_adapter(opened)
        diagnose(opened, report)
        taken = process_time() - worked
        grown = _largest() - before
        megabytes = path.stat().st_size / 1e6
    print(f"{megabytes:.0f} MB from the disk, {len(report.modules)} modules: processor {taken:.1f} s, "
          f"largest resident size {grown:+.0f} MB")  # fmt: skip
    return {"large_megabytes": megabytes, "large_processor_s": taken, "large_grown_mb": grown}


def main() -> None:
    """Some rounds on the wall and in processor time, and the memory that one round takes beyond the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="a file of nearly 2 GB, too")
    asked = parser.parse_args()
    more = large() if asked.large else {}  # first: the largest size that a process ever had does not shrink
    data = synthetic()
    wall, processor, doctor = [], [], []
    for _ in range(ROUNDS):
        began, worked = perf_counter(), process_time()
        opened = open_adapter("synthetic", data)
        report = inspect_adapter(opened)
        measured = process_time()
        diagnosis = diagnose(opened, report)
        doctor.append(process_time() - measured)
        record = adapter_report(report, (float("nan"),) * len(report.modules))._replace(diagnosis=diagnosis)
        film(record, SETTINGS).to_bytes()
        wall.append(perf_counter() - began)
        processor.append(process_time() - worked)
    tracemalloc.start()
    inspect_adapter(open_adapter("synthetic", data))
    memory = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    sigma = report.modules[0].sigma
    print(f"{len(data) / 1e6:.0f} MB, {len(report.modules)} modules, σ from {sigma[0]:.3g} to {sigma[-1]:.3g}")
    print(f"wall       median {statistics.median(wall):.2f} s   {min(wall):.2f} to {max(wall):.2f}")
    print(f"processor  median {statistics.median(processor):.2f} s   {min(processor):.2f} to {max(processor):.2f}, "
          f"of it the doctor {statistics.median(doctor):.2f} s")  # fmt: skip
    print(f"target: at most {TARGET_S} s; memory beyond the file: {memory:.0f} MB")
    figures = {
        "megabytes": len(data) / 1e6,
        "wall_s": statistics.median(wall),
        "wall_s_min": min(wall),
        "processor_s": statistics.median(processor),
        "doctor_s": statistics.median(doctor),
        "memory_mb": memory,
    } | more
    print(json.dumps({"benchmark": "inspector"} | {name: float(f"{value:.4g}") for name, value in figures.items()}))


if __name__ == "__main__":
    main()
