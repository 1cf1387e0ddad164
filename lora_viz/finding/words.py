"""What people call things: everyday words and abbreviations, beside the words that the lessons use.

Every group is one text with "|" between its words, because every language has its own; American spellings need no
group, the search reads them as British ones.
"""

from __future__ import annotations

from lora_viz.i18n.language import say, to_say

__all__ = ["groups"]

_GROUPS = (
    to_say("learning rate|lr|step size|eta|η"),
    to_say("zero|0|null|zeros|start|initialisation|init"),
    to_say("accuracy|quality|correct|performance|degradation|worse"),
    to_say("safetensors|adapter file|checkpoint|adapter_model|weights file|upload|bin"),
    to_say("quantisation|quantised|4-bit|8-bit|nf4|int4|int8|bits|bitsandbytes|gguf"),
    to_say("memory|vram|gpu|card|out of memory|oom|gigabytes"),
    to_say("rank|r|size of the adapter|capacity"),
    to_say("alpha|α|lora_alpha|scaling|scale|strength"),
    to_say("merge|merging|fuse|bake in|merge_and_unload|combine"),
    to_say("forgetting|forgets|catastrophic|old skill"),
    to_say("overfitting|memorise|too little data|noise"),
    to_say("target modules|target_modules|layers|attention|query|value|q_proj|v_proj|mlp"),
    to_say("fine-tuning|finetune|finetuning|training|train"),
    to_say("several adapters|stack|multiple|mixing|switch|hot swap"),
    to_say("file|adapter|inspect|open"),
    to_say("cost|parameters|price|cheap|how many numbers"),
    to_say("config|settings|parameters|hyperparameters|LoraConfig|peft"),
    to_say("teach|present|slides|lecture|deck|projector"),
    to_say("diverge|diverged|nan|explode|blows up"),
    to_say("optimiser|adam|adamw|sgd"),
    to_say("image model|stable diffusion|kohya|dreambooth|lora file"),
    to_say("svd|singular values|spectrum|decomposition"),
    to_say("language model|LLM|chat model|chatbot|llama|gpt|SmolLM2"),
    to_say("perplexity|ppl|forgotten|neutral text"),
)


def groups() -> list[list[str]]:
    """The groups in the language that is spoken now."""
    return [str(say(group)).split("|") for group in _GROUPS]
