"""Which shapes does a pasted config.json mean? Read as JSON, never executed, each field checked, each gap named."""

from __future__ import annotations

import json
import re
from typing import Any

from lora_viz.core.refusals import Refusal
from lora_viz.costs.families import clip_text, mixture, modernbert, phi3, t5, whisper
from lora_viz.costs.shapes import ModelShape, bert, gpt2, llama, vit
from lora_viz.i18n.language import say, to_say

__all__ = ["FAMILIES", "LONGEST", "ConfigError", "parse_config"]

LONGEST = 65_536  # characters; the longest real ones are a tenth of it
_MOST = 10_000_000
_LARGEST = 10**15
_BIASES = to_say("Biases of attention, if switched on, are not counted.")
FAMILIES = (
    "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gpt2", "bert", "roberta", "vit", "phi3", "mixtral",
    "qwen3_moe", "t5", "whisper", "modernbert", "clip_text_model",
)  # fmt: skip
# What a class of transformers has where the part of a larger model's config leaves a field out.
_USUAL = {
    "llama": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
              "vocab_size": 32000},
    "mistral": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
                "num_key_value_heads": 8, "vocab_size": 32000},
    "qwen2": {"hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32, "num_attention_heads": 32,
              "num_key_value_heads": 32, "vocab_size": 151936},
    "clip_text_model": {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "vocab_size": 49408,
                        "max_position_embeddings": 77},
}  # fmt: skip
_OWN_CODE = to_say("The config names code of its own (auto_map): the shapes are those of transformers' class.")
_GATES = ("swiglu", "geglu", "glu")


class ConfigError(Refusal):
    """One sentence that says what is missing or not possible in the pasted text."""


def parse_config(text: str) -> ModelShape:
    """The shapes of a Hugging Face config.json, by its model_type. Raises ConfigError."""
    if len(text) > LONGEST:
        raise ConfigError(
            say("The text has {given:,} characters. At most {most:,} are possible.", given=len(text), most=LONGEST)
        )
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            say(
                "This is not JSON (line {line}, column {column}): paste the whole config.json, braces included.",
                line=error.lineno,
                column=error.colno,
            )
            if isinstance(error, json.JSONDecodeError)
            else say("This is not JSON: paste the whole config.json, braces included.")
        ) from None
    if not isinstance(config, dict):
        raise ConfigError(say("This is JSON but not an object: a config.json begins with a brace."))
    kind = config.get("model_type")
    inner, part = config.get("text_config"), False
    if isinstance(inner, dict) and kind not in FAMILIES:
        named = inner.get("model_type", kind)
        named = named.removesuffix("_text") if isinstance(named, str) else named
        if named not in FAMILIES:
            raise ConfigError(say("This model has several parts, and its text_config is a {kind}. Supported: {known}.",
                                  kind=_short(named), known=", ".join(FAMILIES)))  # fmt: skip
        kind, part = named, True
        config = {**_USUAL.get(named, {}), **inner}
    if kind not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise ConfigError(
            say("This config has no model_type. Supported: {known}.", known=known)
            if kind is None
            else say("This config has model_type={kind}. Supported: {known}.", kind=_short(kind), known=known)
        )
    _known_parts(config, str(kind))
    shape = _read(str(kind), _Fields(config), _title(config, str(kind)))
    if part:
        shape = shape._replace(notes=(*shape.notes, to_say("Only the text part is counted: text_config.")))
    if "auto_map" in config:
        shape = shape._replace(notes=(*shape.notes, _OWN_CODE))  # fmt: skip
    if shape.total > _LARGEST:
        raise ConfigError(say("This config makes {total:.3g} parameters. At most {most:.0e} are possible.",
                              total=shape.total, most=_LARGEST))  # fmt: skip
    return shape._replace(notes=(*shape.notes, to_say("Read from your config.json.")))


def _known_parts(config: dict[str, Any], kind: str) -> None:
    """Raise ConfigError where the config says that the model is built otherwise than its family."""
    if config.get("add_cross_attention") is True:
        raise ConfigError(say("This {kind} has cross-attention (add_cross_attention), which is not counted here.",
                              kind=kind))  # fmt: skip
    gate = next((config[name] for name in ("hidden_act", "activation_function", "feed_forward_type", "mlp_type")
                 if isinstance(config.get(name), str) and config[name].lower() in _GATES), None)  # fmt: skip
    if kind in ("bert", "roberta", "gpt2", "vit") and gate is not None:
        raise ConfigError(say("This {kind} has a gated MLP ({gate}), which is not counted here.", kind=kind,
                              gate=_short(gate)))  # fmt: skip


class _Fields:
    """Whole numbers by name; what is absent and has no default is an error that names it."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config

    def __call__(self, name: str, default: int | None = None, least: int = 1) -> int:
        value = self._config.get(name)
        if value is None:
            if default is None:
                raise ConfigError(say("The config lacks {name}: a whole number is needed.", name=name))
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _MOST:
            raise ConfigError(say("{name}={value} is not possible. Valid values: whole numbers {least} to {most:,}.",
                                  name=name, value=_short(value), least=least, most=_MOST))  # fmt: skip
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self._config.get(name, default)
        if not isinstance(value, bool):
            raise ConfigError(
                say("{name}={value} is not possible. Valid values: true or false.", name=name, value=_short(value))
            )
        return value

    def text(self, name: str, default: str) -> str:
        value = self._config.get(name, default)
        return value if isinstance(value, str) else default

    def filled(self, name: str) -> bool:
        """Is it a list with something in it?"""
        value = self._config.get(name)
        return isinstance(value, list) and bool(value)

    def entries(self, name: str) -> int:
        value = self._config.get(name)
        return len(value) if isinstance(value, dict) else 0

    def has(self, name: str) -> bool:
        return self._config.get(name) not in (None, 0, False)


def _llama(fields: _Fields, title: str, kind: str) -> ModelShape:
    for name in ("num_experts", "num_local_experts", "n_routed_experts"):
        if fields.has(name):
            raise ConfigError(say("This is a mixture of experts ({name}): only models with one MLP a layer are known "
                                  "here.", name=name))  # fmt: skip
    hidden, heads = fields("hidden_size"), fields("num_attention_heads")
    size = fields("head_dim", hidden // heads or 1)
    if not fields.has("head_dim") and hidden % heads:
        raise ConfigError(say("hidden_size={hidden} cannot be split into {heads} heads.", hidden=hidden, heads=heads))
    return llama(title, hidden, fields("num_hidden_layers"), heads, fields("num_key_value_heads", heads),
                 fields("intermediate_size"), fields("vocab_size"), model_type=kind, head=size,
                 tied=fields.flag("tie_word_embeddings", kind.startswith("gemma")), qkv_bias=kind == "qwen2",
                 qk_norm=kind == "qwen3", norms=4 if kind == "gemma2" else 2,
                 notes=(_BIASES,) if fields.has("attention_bias") else ())  # fmt: skip


def _gpt2(fields: _Fields, title: str) -> ModelShape:
    hidden = fields("n_embd")
    vocab, positions = fields("vocab_size", 50257), fields("n_positions", 1024)
    return gpt2(title, hidden, fields("n_layer"), vocab, positions, fields("n_inner", 4 * hidden))


def _bert(fields: _Fields, title: str, kind: str) -> ModelShape:
    return bert(title, fields("hidden_size"), fields("num_hidden_layers"), fields("vocab_size"),
                fields("max_position_embeddings", 512), fields("type_vocab_size", 2 if kind == "bert" else 1),
                fields("intermediate_size"), model_type=kind)  # fmt: skip


def _vit(fields: _Fields, title: str) -> ModelShape:
    patch, image = fields("patch_size", 16), fields("image_size", 224)
    return vit(title, fields("hidden_size"), fields("num_hidden_layers"), fields("intermediate_size"),
               (image // patch) ** 2, fields("num_channels", 3) * patch * patch,
               fields.entries("id2label") or 2)  # fmt: skip


def _mixture(fields: _Fields, title: str, kind: str) -> ModelShape:
    for name in ("shared_expert_intermediate_size", "n_shared_experts"):
        if fields.has(name):
            raise ConfigError(say("This is a mixture with shared experts ({name}), which is not counted here.",
                                  name=name))  # fmt: skip
    if kind == "qwen3_moe" and (fields.filled("mlp_only_layers") or fields("decoder_sparse_step", 1) != 1):
        raise ConfigError(say("Some layers of this mixture have a plain MLP, which is not counted here."))
    heads, hidden = fields("num_attention_heads"), fields("hidden_size")
    own = kind == "qwen3_moe"
    return mixture(title, hidden, fields("num_hidden_layers"), heads, fields("num_key_value_heads", heads),
                   fields("moe_intermediate_size" if own else "intermediate_size"), fields("vocab_size"),
                   fields("num_experts" if fields.has("num_experts") else
                   "num_local_experts"), model_type=kind, head=fields("head_dim", hidden // heads or 1),
                   tied=fields.flag("tie_word_embeddings", False), qk_norm=own)  # fmt: skip


def _stacks(fields: _Fields, title: str, kind: str) -> ModelShape:
    if kind == "t5":
        layers = fields("num_layers")
        gated = str(fields.text("feed_forward_proj", "relu")).startswith("gated")
        return t5(title, fields("d_model"), layers, fields("num_decoder_layers", layers), fields("num_heads"),
                  fields("d_kv"), fields("d_ff"), fields("vocab_size"), gated=gated,
                  tied=fields.flag("tie_word_embeddings", True),
                  buckets=fields("relative_attention_num_buckets", 32))  # fmt: skip
    if kind == "whisper":
        return whisper(title, fields("d_model"), fields("encoder_layers"), fields("decoder_layers"),
                       fields("encoder_ffn_dim"), fields("decoder_ffn_dim"), fields("vocab_size"),
                       fields("num_mel_bins", 80), fields("max_source_positions", 1500),
                       fields("max_target_positions", 448))  # fmt: skip
    sizes = (fields("hidden_size"), fields("num_hidden_layers"), fields("intermediate_size"), fields("vocab_size"))
    if kind == "modernbert":
        return modernbert(title, *sizes)
    return clip_text(title, *sizes, fields("max_position_embeddings", 77))


def _read(kind: str, fields: _Fields, title: str) -> ModelShape:
    match kind:
        case "phi3":
            return phi3(title, fields("hidden_size"), fields("num_hidden_layers"), fields("num_attention_heads"),
                        fields("num_key_value_heads", fields("num_attention_heads")), fields("intermediate_size"),
                        fields("vocab_size"), tied=fields.flag("tie_word_embeddings", False))  # fmt: skip
        case "mixtral" | "qwen3_moe":
            return _mixture(fields, title, kind)
        case "t5" | "whisper" | "modernbert" | "clip_text_model":
            return _stacks(fields, title, kind)
        case "gpt2":
            return _gpt2(fields, title)
        case "vit":
            return _vit(fields, title)
        case "bert" | "roberta":
            return _bert(fields, title, kind)
    return _llama(fields, title, kind)


def _title(config: dict[str, Any], kind: str) -> str:
    name = config.get("_name_or_path")
    if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9._/-]{1,60}", name):
        return name
    return say("your {kind}", kind=kind)


def _short(value: object) -> str:
    if isinstance(value, dict | list):
        return say("something of several parts")
    text = json.dumps(value, ensure_ascii=True) if not isinstance(value, int) or abs(value) < 10**40 else "10⁴⁰ …"
    return text if len(text) <= 40 else text[:40] + "…"
