"""Which real models are there to choose from? Their published shapes, each total equal to the model's own count."""

from __future__ import annotations

from lora_viz.costs.shapes import ModelShape, bert, gpt2, gpt_separate, llama, unet, vit
from lora_viz.i18n.language import to_say

__all__ = ["DEFAULT_TARGETS", "MODELS"]

_QWEN = {"model_type": "qwen2", "qkv_bias": True}
_GEMMA = {"model_type": "gemma", "tied": True, "head": 256}

MODELS: dict[str, ModelShape] = {
    shape.title: shape
    for shape in (
        llama("Llama-2-7B", 4096, 32, 32, 32, 11008, 32000),
        llama("Llama-2-13B", 5120, 40, 40, 40, 13824, 32000),
        llama("Llama-2-70B", 8192, 80, 64, 8, 28672, 32000),
        llama("Llama-3.2-1B", 2048, 16, 32, 8, 8192, 128256, tied=True),
        llama("Llama-3.1-8B", 4096, 32, 32, 8, 14336, 128256),
        llama("Llama-3.1-70B", 8192, 80, 64, 8, 28672, 128256),
        llama("Mistral-7B", 4096, 32, 32, 8, 14336, 32000, model_type="mistral"),
        llama("Qwen2.5-0.5B", 896, 24, 14, 2, 4864, 151936, tied=True, **_QWEN),  # type: ignore[arg-type]
        llama("Qwen2.5-1.5B", 1536, 28, 12, 2, 8960, 151936, tied=True, **_QWEN),  # type: ignore[arg-type]
        llama("Qwen2.5-7B", 3584, 28, 28, 4, 18944, 152064, **_QWEN),  # type: ignore[arg-type]
        llama("Qwen2.5-72B", 8192, 80, 64, 8, 29568, 152064, **_QWEN),  # type: ignore[arg-type]
        llama("Gemma-2B", 2048, 18, 8, 1, 16384, 256000, **_GEMMA),  # type: ignore[arg-type]
        llama("Gemma-7B", 3072, 28, 16, 16, 24576, 256000, **_GEMMA),  # type: ignore[arg-type]
        llama("Gemma-2-9B", 3584, 42, 16, 8, 14336, 256000, norms=4, **(_GEMMA | {"model_type": "gemma2"})),  # type: ignore[arg-type]
        gpt2("GPT-2", 768, 12),
        gpt2("GPT-2 M", 1024, 24),
        gpt2("GPT-2 L", 1280, 36),
        gpt2("GPT-2 XL", 1600, 48),
        gpt_separate(
            "GPT-3 175B",
            12288,
            96,
            50257,
            2048,
            175_255_800_000,
            to_say(
                "The weights are not public: shapes from Brown et al. 2020, the total from Hu et al. 2021, Table 4."
            ),
        ),
        bert("BERT-base", 768, 12, 30522, 512, 2),
        bert("RoBERTa-base", 768, 12, 50265, 514, 1, model_type="roberta"),
        bert("RoBERTa-large", 1024, 24, 50265, 514, 1, model_type="roberta"),
        vit("ViT-B/16", 768, 12, 3072, 196, 3 * 16 * 16, 1000),
        unet("SDXL UNet", 2_567_463_684, {640: 10, 1280: 60}, 2048),
        unet("SD1.5 UNet", 859_520_964, {320: 5, 640: 5, 1280: 6}, 768),
    )
}

# What PEFT 0.21 adapts where no target_modules are given, by the model_type of a config.json.
DEFAULT_TARGETS: dict[str, tuple[str, ...]] = {
    "llama": ("q_proj", "v_proj"),
    "mistral": ("q_proj", "v_proj"),
    "qwen2": ("q_proj", "v_proj"),
    "qwen3": ("q_proj", "v_proj"),
    "gemma": ("q_proj", "v_proj"),
    "gemma2": ("q_proj", "v_proj"),
    "opt": ("q_proj", "v_proj"),
    "gpt2": ("c_attn",),
    "bert": ("query", "value"),
    "roberta": ("query", "value"),
    "t5": ("q", "v"),
    "phi": ("q_proj", "v_proj", "fc1", "fc2"),
    "falcon": ("query_key_value",),
}
