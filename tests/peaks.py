"""Peaks of memory that were measured on a GPU: what the Budget is held against."""

__all__ = ["OTHER_PEAKS", "PEAKS"]

# Peaks of a training step on an H200, in GB: torch.cuda.max_memory_allocated after two steps, random weights in bf16,
# adapter of rank 16 on all linear layers, AdamW, batch 1, bf16 autocast, SDPA; torch 2.11, transformers 5.17, PEFT.
# model, method (0 full, 1 LoRA), tokens, checkpointing, measured
PEAKS = (
    ("Llama-3.1-8B", 1, 512, True, 17.3), ("Llama-3.1-8B", 1, 512, False, 20.2), ("Llama-3.1-8B", 1, 2048, True, 20.1),
    ("Llama-3.1-8B", 1, 2048, False, 31.7), ("Llama-3.1-8B", 1, 8192, True, 31.3),
    ("Llama-3.1-8B", 1, 8192, False, 77.6), ("Llama-3.1-8B", 0, 2048, True, 80.4),
    ("Llama-2-7B", 1, 512, True, 14.1), ("Llama-2-7B", 1, 512, False, 16.8), ("Llama-2-7B", 1, 2048, True, 15.1),
    ("Llama-2-7B", 1, 2048, False, 25.9), ("Llama-2-7B", 1, 4096, True, 16.5), ("Llama-2-7B", 1, 4096, False, 37.8),
    ("GPT-2", 1, 512, True, 0.65), ("GPT-2", 1, 512, False, 1.06), ("GPT-2", 1, 1024, True, 0.98),
    ("GPT-2", 1, 1024, False, 1.77),
)  # fmt: skip

# The same on models that nobody looked at when the Budget's formula was chosen: `benchmarks/gpu_memory.py`, run once on
# 30 November 2026, when the formula stood.
OTHER_PEAKS = (
    ("Qwen2.5-7B", 1, 512, True, 16.64), ("Qwen2.5-7B", 1, 2048, True, 19.77), ("Qwen2.5-7B", 1, 8192, True, 32.30),
    ("Qwen2.5-7B", 1, 2048, False, 31.49), ("Mistral-7B", 1, 512, True, 15.14), ("Mistral-7B", 1, 4096, True, 17.53),
    ("Mistral-7B", 1, 2048, False, 27.74), ("Llama-3.2-1B", 0, 512, True, 12.43),
    ("Llama-3.2-1B", 0, 2048, True, 12.43), ("Llama-3.2-1B", 0, 8192, True, 20.76),
    ("Llama-3.2-1B", 1, 512, True, 3.43), ("Llama-3.2-1B", 1, 2048, True, 5.91),
    ("Llama-3.2-1B", 1, 8192, True, 15.82), ("Llama-3.2-1B", 0, 2048, False, 14.23),
    ("Llama-3.2-1B", 1, 2048, False, 9.09), ("Qwen2.5-0.5B", 0, 512, True, 5.05),
    ("Qwen2.5-0.5B", 0, 2048, True, 6.89), ("Qwen2.5-0.5B", 0, 2048, False, 9.68),
    ("Qwen2.5-0.5B", 1, 512, True, 2.08), ("Qwen2.5-0.5B", 1, 2048, True, 4.95),
    ("Qwen2.5-0.5B", 1, 2048, False, 7.61), ("GPT-2 M", 0, 512, True, 3.62), ("GPT-2 M", 0, 1024, False, 4.99),
    ("GPT-2 M", 1, 512, True, 1.15), ("GPT-2 M", 1, 1024, False, 3.61), ("Gemma-2B", 1, 512, True, 6.81),
    ("Gemma-2B", 1, 2048, True, 11.66),
)  # fmt: skip
