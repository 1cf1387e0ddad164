"""Which adapter files are read, and how near the Budget comes to a GPU? Tables for docs/, made from what tests check.

`python docs/make_adapter_files.py` writes docs/adapter-files.md from tests/adapters/kinds.py, whose every row a test
holds against a dense SVD, and from the peaks in tests/peaks.py, which the Budget is held against.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from lora_viz.adapters.unread import UNREAD  # noqa: E402
from lora_viz.costs.budget import METHODS, budget  # noqa: E402
from lora_viz.costs.models import MODELS  # noqa: E402
from tests.adapters.kinds import KINDS  # noqa: E402
from tests.peaks import OTHER_PEAKS, PEAKS  # noqa: E402

OUT = ROOT / "docs" / "adapter-files.md"


def written() -> str:
    """The whole page."""
    lines = [
        "# Which adapter files are read", "",
        "Each row is a small file that a test writes from the format's published description and holds against a "
        "dense float64 SVD (`tests/adapters/kinds.py`). safetensors, `torch.save` (never unpickled), GGUF; alone, as a "
        "folder, as a zip archive, in shards.", "",
        "| what | written by | scale | how |", "|---|---|---|---|",
        *(f"| {k.title} | {k.written_by} | {'in the file or its config' if k.scaled else 'not in the file: asked'}"
          f" | {k.how} |" for k in KINDS.values()),
        "", "Known by name, not read:", "", *(f"- {what}" for what, _ in UNREAD), "",
        "# Memory of a training step, said and measured", "",
        "Peaks on one H200 (`torch.cuda.max_memory_allocated` after two steps), torch 2.11, transformers 5.17, PEFT; "
        "weights random in bf16, rank 16 on all linear layers in bf16, AdamW, batch 1, bf16 autocast, SDPA. "
        "The formula was chosen looking at the peaks of Llama-3.1-8B, Llama-2-7B and GPT-2; the other models "
        "were measured after it (`benchmarks/gpu_memory.py`). QLoRA was not measured: bitsandbytes was not there.", "",
        "| model | method | tokens | checkpointing | measured, GB | said, GB | off |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for title, method, tokens, checkpointing, measured in (*PEAKS, *OTHER_PEAKS):
        shape = MODELS[title]
        found = budget(shape, shape.all_linear, 16, precision="bf16 pure", tokens=tokens, checkpointing=checkpointing)
        said = found.memory[method].total / 1e9
        lines.append(f"| {title} | {METHODS[method]} | {tokens:,} | {'yes' if checkpointing else 'no'} | {measured} | "
                     f"{said:.2f} | {100 * (said / measured - 1):+.1f} % |")  # fmt: skip
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    OUT.write_text(written(), encoding="utf-8")
