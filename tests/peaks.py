"""Peaks of memory that were measured on a GPU: what the Budget is held against."""

__all__ = ["PEAKS"]

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
