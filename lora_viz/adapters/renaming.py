"""One module's name in the formats of four tools. kohya's has underscores for dots: known words tell them apart."""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["COMPONENTS", "component_of", "dotted", "plain_path", "underscored"]

COMPONENTS = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3", "transformer_2")
_KOHYA = {"unet": "lora_unet", "transformer": "lora_unet", "text_encoder": "lora_te1", "text_encoder_2": "lora_te2",
          "text_encoder_3": "lora_te3"}  # fmt: skip
_BACK = {"lora_te1": "text_encoder", "lora_te2": "text_encoder_2", "lora_te3": "text_encoder_3",
         "lora_te": "text_encoder"}  # fmt: skip
# Names of modules that have underscores of their own, of the networks whose adapters kohya's scripts write.
_WORDS = (
    "down_blocks", "up_blocks", "mid_block", "transformer_blocks", "single_transformer_blocks", "double_blocks",
    "single_blocks", "input_blocks", "output_blocks", "middle_block", "joint_blocks", "to_q", "to_k", "to_v", "to_out",
    "to_add_out", "add_q_proj", "add_k_proj", "add_v_proj", "q_proj", "k_proj", "v_proj", "o_proj", "out_proj",
    "qkv_proj", "gate_proj", "up_proj", "down_proj", "in_proj", "proj_in", "proj_out", "self_attn", "cross_attn",
    "text_model", "time_emb_proj", "conv_in", "conv_out", "conv_shortcut", "time_embedding", "add_embedding",
    "linear_1", "linear_2", "img_attn", "txt_attn", "img_mlp", "txt_mlp", "img_mod", "txt_mod", "in_layers",
    "out_layers", "emb_layers", "norm_out", "x_embedder", "context_embedder", "ff_context", "time_text_embed",
    "timestep_embedder", "guidance_embedder", "text_embedder", "img_in", "txt_in", "time_in", "vector_in",
    "guidance_in", "final_layer", "in_layer", "out_layer", "adaLN_modulation", "proj_mlp", "noise_refiner",
    "context_refiner", "k_img", "v_img",
)  # fmt: skip
_BEFORE = ("base_model.model.", "diffusion_model.", "module.", "_orig_mod.")
_SPLIT = re.compile("|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True)))


def component_of(path: str) -> str:
    """The part of a pipeline that a path names first; "" where it names none."""
    first = path.partition(".")[0]
    return first if first in COMPONENTS else ""


def plain_path(path: str) -> str:
    """A path without what its tool put before the base model's own names."""
    while path.startswith(_BEFORE):
        path = path.removeprefix(next(b for b in _BEFORE if path.startswith(b)))
    return re.sub(r"(^|\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)(?=\.)", "", path).lstrip(".")


def underscored(path: str) -> str:
    """The name that kohya's scripts give a module."""
    component = component_of(path)
    inner = path.removeprefix(f"{component}.") if component else path
    return f"{_KOHYA.get(component, 'lora_unet')}_{inner.replace('.', '_')}"


def dotted(name: str, known: Collection[str] = ()) -> str:
    """The path that kohya's name stands for: among the ``known`` ones, else by words with underscores of their own.

    UNets and transformers cannot be told apart by the prefix: by the blocks' names.
    """
    prefix = next((p for p in (*_BACK, "lora_unet", "lycoris") if name.startswith(f"{p}_")), "")
    body = name.removeprefix(f"{prefix}_") if prefix else name
    for path in known:
        if path.replace(".", "_") in (body, name):
            return path
    if prefix in _BACK:
        component = _BACK[prefix]
    else:
        component = (
            "unet" if re.match(r"(down_blocks|up_blocks|mid_block|conv_|time_embedding)", body) else "transformer"
        )
    kept = _SPLIT.sub(lambda hit: hit.group().replace("_", "\0"), body) if "_" in body else body
    inner = kept.replace("_", ".").replace("\0", "_")
    return f"{component}.{inner}" if prefix else inner
