"""How much memory does a training step really take? Peaks on a GPU, beside what the Budget says; no network needed.

Random weights, transformers and PEFT, batch 1, AdamW, bf16 autocast, SDPA: full fine-tuning, LoRA, and QLoRA where
bitsandbytes is installed. Each case runs in a process of its own, so nothing is left over from the one before it.

    python benchmarks/gpu_memory.py --out "$OUT"            # all cases, about 6 minutes on one H200
    python benchmarks/gpu_memory.py --out "$OUT" --seconds 300
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

# (model of the Budget, method, tokens, checkpointing); the shapes that decide come first
CASES = [
    *(("Qwen2.5-7B", "LoRA", t, c) for t, c in ((512, True), (2048, True), (8192, True), (2048, False))),
    *(("Mistral-7B", "LoRA", t, c) for t, c in ((512, True), (4096, True), (2048, False))),
    *(("Llama-3.2-1B", m, t, c) for m in ("full", "LoRA") for t, c in ((512, True), (2048, True), (8192, True))),
    ("Llama-3.2-1B", "full", 2048, False), ("Llama-3.2-1B", "LoRA", 2048, False),
    *(("Qwen2.5-0.5B", m, t, c) for m in ("full", "LoRA") for t, c in ((512, True), (2048, True), (2048, False))),
    *(("GPT-2 M", m, t, c) for m in ("full", "LoRA") for t, c in ((512, True), (1024, False))),
    *(("Gemma-2B", "LoRA", t, True) for t in (512, 2048)),
    *(("Llama-3.1-8B", "QLoRA", t, c) for t, c in ((512, True), (2048, True), (2048, False))),
    ("Llama-3.1-8B", "LoRA", 2048, True),
]  # fmt: skip


def config_of(title: str) -> Any:
    """transformers' configuration of one of the Budget's models, from its own shapes."""
    import transformers as tf

    from lora_viz.costs.models import MODELS

    shape = MODELS[title]
    sizes = {m.name: m for m in shape.matrices}
    if shape.model_type == "gpt2":
        heads = shape.hidden // 64
        return tf.GPT2Config(n_embd=shape.hidden, n_layer=shape.layers, n_head=heads, vocab_size=shape.logits)
    kinds = {"llama": tf.LlamaConfig, "mistral": tf.MistralConfig, "qwen2": tf.Qwen2Config, "gemma": tf.GemmaConfig}
    head = 256 if shape.model_type == "gemma" else 64 if title in ("Llama-3.2-1B", "Qwen2.5-0.5B") else 128
    return kinds[shape.model_type](
        hidden_size=shape.hidden, num_hidden_layers=shape.layers, num_attention_heads=sizes["q_proj"].d_out // head,
        num_key_value_heads=sizes["k_proj"].d_out // head, head_dim=head, intermediate_size=sizes["up_proj"].d_out,
        vocab_size=shape.logits, tie_word_embeddings="lm_head" not in sizes, max_position_embeddings=8192,
    )  # fmt: skip


def measure(title: str, method: str, tokens: int, checkpointing: bool) -> dict[str, Any]:
    """Two steps; the peak of the second, in bytes."""
    import torch
    import transformers as tf
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config = config_of(title)
    with torch.device("cuda"):
        torch.set_default_dtype(torch.bfloat16)
        model = tf.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
        torch.set_default_dtype(torch.float32)
    if method == "QLoRA":
        _quantise(model)
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.config.use_cache = False
    if method != "full":
        model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear",
                                                 task_type="CAUSAL_LM"), autocast_adapter_dtype=False)  # fmt: skip
        for name, p in model.named_parameters():
            if "lora_" in name:
                p.data = p.data.to(torch.bfloat16)
        model.enable_input_require_grads()
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5)
    ids = torch.randint(0, config.vocab_size, (1, tokens), device="cuda")
    for step in range(2):
        if step:
            torch.cuda.reset_peak_memory_stats()
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    torch.cuda.synchronize()
    return {"peak": torch.cuda.max_memory_allocated(), "trained": sum(p.numel() for p in trained),
            "finite": bool(torch.isfinite(loss))}  # fmt: skip


def _quantise(model: Any) -> None:
    """Every linear layer but the head in NF4 with double quantisation, as transformers does when it loads a model."""
    import bitsandbytes as bnb
    import torch
    from torch import nn

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and name != "lm_head":
                made = bnb.nn.Linear4bit(child.in_features, child.out_features, bias=child.bias is not None,
                                         compute_dtype=torch.bfloat16, quant_type="nf4")  # fmt: skip
                made.weight = bnb.nn.Params4bit(child.weight.data.cpu(), requires_grad=False, quant_type="nf4")
                if child.bias is not None:
                    made.bias = child.bias
                setattr(parent, name, made.to("cuda"))
                del child
    torch.cuda.empty_cache()


def said(title: str, method: str, tokens: int, checkpointing: bool) -> float:
    """What the Budget says of it, in bytes."""
    from lora_viz.costs.budget import METHODS, budget
    from lora_viz.costs.models import MODELS

    shape = MODELS[title]
    found = budget(shape, shape.all_linear, 16, precision="bf16 pure", tokens=tokens, checkpointing=checkpointing)
    return found.memory[METHODS.index(method)].total


def main() -> None:
    """Every case until the time is over; gpu_memory.json grows with each, so nothing is lost."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--out", default=".")
    asked.add_argument("--seconds", type=float, default=440.0)
    asked.add_argument("--one", help="a case as JSON, for a process of its own")
    given = asked.parse_args()
    if given.one:
        print(json.dumps(measure(*json.loads(given.one))))
        return
    began, rows = time.monotonic(), []
    for case in CASES:
        left = given.seconds - (time.monotonic() - began)
        if left < 15:
            print(f"{len(CASES) - len(rows)} cases left out: time is over")
            break
        row: dict[str, Any] = dict(zip(("model", "method", "tokens", "checkpointing"), case, strict=True))
        try:
            done = subprocess.run([sys.executable, __file__, "--one", json.dumps(case)], capture_output=True, text=True,
                                  timeout=left, check=False)  # fmt: skip
            row |= json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"error": done.stderr[-600:]}
        except subprocess.TimeoutExpired:
            row["error"] = "time is over"
        row["said"] = said(*case)
        if "peak" in row:
            row["off"] = row["said"] / row["peak"] - 1
        rows.append(row)
        Path(given.out, "gpu_memory.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
        shown = row.get("error", "").strip()[-200:]
        if "peak" in row:
            shown = f"{row['peak'] / 1e9:8.2f} GB, said {row['said'] / 1e9:8.2f} ({100 * row['off']:+.1f} %)"
        print(f"{time.monotonic() - began:5.0f} s  {case}: {shown}", flush=True)


if __name__ == "__main__":
    main()
