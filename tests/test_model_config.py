"""A pasted config.json: the shapes it means, and one sentence for everything it cannot mean."""

import json
import random
import re
from collections import Counter

import pytest
import torch
import transformers as tf
from torch import nn
from transformers import AutoConfig, AutoModel

from lora_viz.costs.budget import budget
from lora_viz.costs.model_config import FAMILIES, LONGEST, ConfigError, parse_config
from tests.test_budget import TINY, built

LLAMA = {
    "model_type": "llama",
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 44,
    "vocab_size": 53,
}


@pytest.mark.parametrize("name", TINY)
def test_a_models_own_config_gives_the_models_own_count(name: str) -> None:
    model, shape = built(name)
    pasted = json.dumps({k: v for k, v in model.config.to_dict().items() if isinstance(v, int | str | bool | dict)})
    read = parse_config(pasted)
    assert read.total == sum(p.numel() for p in model.parameters())
    assert read.matrices == shape.matrices


def test_every_family_is_known_to_transformers() -> None:
    assert set(FAMILIES) <= set(AutoModel._model_mapping._model_mapping)
    assert all(AutoConfig.for_model(kind) for kind in FAMILIES)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "This is not JSON (line 1, column 1): paste the whole config.json, braces included."),
        ("__import__('os').system('true')", "This is not JSON (line 1, column 1): paste the whole config.json,"),
        ('{"model_type": llama}', "This is not JSON (line 1, column 16): paste the whole config.json,"),
        ("[" * 60_000, "This is not JSON: paste the whole config.json, braces included."),
        ('{"vocab_size": ' + "9" * 5000 + "}", "This is not JSON: paste the whole config.json, braces included."),
        ("x" * (LONGEST + 1), "The text has 65,537 characters. At most 65,536 are possible."),
        ("[1, 2]", "This is JSON but not an object: a config.json begins with a brace."),
        ("{}", "This config has no model_type. Supported: llama, mistral, qwen2,"),
        ('{"model_type": "mamba"}', 'This config has model_type="mamba". Supported: llama, mistral,'),
        (
            '{"model_type": ["llama"]}',
            "This config has model_type=something of several parts. Supported: llama, mistral,",
        ),
        ('{"model_type": "llava", "text_config": {}}', "This model has several parts, and its text_config is a"),
        ('{"model_type": "bert", "add_cross_attention": true}', "This bert has cross-attention"),
        ('{"model_type": "bert", "hidden_act": "swiglu"}', "This bert has a gated MLP"),
        ('{"model_type": "llama"}', "The config lacks hidden_size: a whole number is needed."),
        ('{"model_type": "gpt2", "n_embd": 8}', "The config lacks n_layer: a whole number is needed."),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hidden_size": -4}, "hidden_size=-4 is not possible. Valid values: whole numbers 1 to 10,000,000."),
        ({"hidden_size": 4.5}, "hidden_size=4.5 is not possible. Valid values: whole numbers 1 to 10,000,000."),
        ({"hidden_size": True}, "hidden_size=true is not possible. Valid values: whole numbers 1 to 10,000,000."),
        ({"hidden_size": "24"}, 'hidden_size="24" is not possible. Valid values: whole numbers 1 to 10,000,000.'),
        (
            {"hidden_size": float("nan")},
            "hidden_size=NaN is not possible. Valid values: whole numbers 1 to 10,000,000.",
        ),
        ({"hidden_size": 25}, "hidden_size=25 cannot be split into 6 heads."),
        (
            {"vocab_size": 10**12},
            "vocab_size=1000000000000 is not possible. Valid values: whole numbers 1 to 10,000,000.",
        ),
        ({"vocab_size": None}, "The config lacks vocab_size: a whole number is needed."),
        (
            {"num_local_experts": 8},
            "This is a mixture of experts (num_local_experts): only models with one MLP a layer",
        ),
        ({"tie_word_embeddings": "yes"}, 'tie_word_embeddings="yes" is not possible. Valid values: true or false.'),
    ],
)
def test_what_is_not_possible_is_named(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(json.dumps(LLAMA | change))
    assert str(caught.value).startswith(sentence)


FURTHER = {
    "phi3": (tf.Phi3ForCausalLM, tf.Phi3Config(hidden_size=24, num_hidden_layers=2, num_attention_heads=6,
             num_key_value_heads=2, intermediate_size=44, vocab_size=53, pad_token_id=0)),
    "mixtral": (tf.MixtralForCausalLM, tf.MixtralConfig(hidden_size=24, num_hidden_layers=2, num_attention_heads=6,
                num_key_value_heads=2, intermediate_size=44, vocab_size=53, num_local_experts=3)),
    "qwen3_moe": (tf.Qwen3MoeForCausalLM, tf.Qwen3MoeConfig(hidden_size=24, num_hidden_layers=2, num_attention_heads=6,
                  num_key_value_heads=2, head_dim=10, moe_intermediate_size=18, vocab_size=53, num_experts=3)),
    "t5": (tf.T5ForConditionalGeneration, tf.T5Config(d_model=24, num_layers=2, num_decoder_layers=3, num_heads=4,
           d_kv=5, d_ff=44, vocab_size=53, feed_forward_proj="gated-gelu")),
    "whisper": (tf.WhisperForConditionalGeneration, tf.WhisperConfig(d_model=24, encoder_layers=2, decoder_layers=3,
                encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=44, decoder_ffn_dim=46,
                vocab_size=53, num_mel_bins=7, max_source_positions=11, max_target_positions=13, pad_token_id=0,
                bos_token_id=0, eos_token_id=0, decoder_start_token_id=0)),
    "modernbert": (tf.ModernBertModel, tf.ModernBertConfig(hidden_size=24, num_hidden_layers=2, num_attention_heads=6,
                   intermediate_size=44, vocab_size=53, pad_token_id=0)),
    "clip_text_model": (tf.CLIPTextModel, tf.CLIPTextConfig(hidden_size=24, num_hidden_layers=2, num_attention_heads=4,
                        intermediate_size=44, vocab_size=53, max_position_embeddings=11)),
}  # fmt: skip


@pytest.mark.parametrize("kind", FURTHER)
def test_further_architectures_are_counted_as_transformers_does(kind: str) -> None:
    """The total, and every linear layer by the end of its path: how many, and their sizes."""
    build, config = FURTHER[kind]
    with torch.device("meta"):
        model = build(config)
    pasted = {k: v for k, v in config.to_dict().items() if isinstance(v, int | str | bool)}
    shape = parse_config(json.dumps(pasted))
    assert shape.model_type == kind and shape.total == sum(p.numel() for p in model.parameters())
    linear = Counter(
        (re.sub(r"\.\d+\.", ".{}.", name), tuple(m.weight.shape))
        for name, m in model.named_modules() if isinstance(m, nn.Linear)
    )  # fmt: skip
    ours = Counter({(re.sub(r"\.\d+\.", ".{}.", m.path), (m.d_out, m.d_in)): m.copies for m in shape.matrices})
    tied = {key for key in linear if key[0] in ("lm_head", "proj_out") and key not in ours}
    assert ours == Counter({key: n for key, n in linear.items() if key not in tied})


def test_the_text_part_of_a_larger_model_is_read_with_its_classs_defaults() -> None:
    shape = parse_config(json.dumps({"model_type": "llava", "text_config": {"model_type": "llama", "vocab_size": 32064},
                                     "vision_config": {"model_type": "clip_vision_model"}}))  # fmt: skip
    with torch.device("meta"):
        model = tf.LlamaForCausalLM(tf.LlamaConfig(vocab_size=32064))
    assert shape.total == sum(p.numel() for p in model.parameters()) and "text_config" in " ".join(shape.notes)
    named = parse_config(json.dumps(LLAMA | {"auto_map": {"AutoModel": "code.Model"}}))
    assert "auto_map" in " ".join(named.notes)


def test_a_config_of_no_sane_size_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(json.dumps(LLAMA | {"num_hidden_layers": 10**7, "hidden_size": 6 * 10**6}))
    assert str(caught.value).startswith("This config makes ")


def test_two_thousand_damaged_configs_are_read_or_refused_in_one_sentence() -> None:
    draw = random.Random(0)
    texts = [json.dumps(LLAMA), json.dumps({"model_type": "gpt2", "n_embd": 24, "n_layer": 3, "n_inner": None})]
    strange = [*'0123456789{}[]",:', "null", "-1", "1e999", "true", "NaN", "9" * 30, "\x00", "\ud800"]
    read = 0
    for _ in range(2000):
        text = draw.choice(texts)
        for _ in range(draw.randint(1, 2)):
            at, width = draw.randrange(len(text) + 1), draw.choice((0, 1, 2, 8))
            text = text[:at] + draw.choice(strange) + text[at + width :]
        try:
            shape = parse_config(text)
        except ConfigError as error:
            assert 20 < len(str(error)) < 300 and "\n" not in str(error)
        else:
            read += 1
            b = budget(shape, shape.names[:1], 4)
            assert b.trained > 0 and b.memory[1].total < float("inf")
    assert 20 < read < 1000, "some damage leaves a config that can be read"


def test_names_from_outside_are_plain() -> None:
    assert parse_config(json.dumps(LLAMA | {"_name_or_path": "meta/Llama-2.1"})).title == "meta/Llama-2.1"
    assert parse_config(json.dumps(LLAMA | {"_name_or_path": "<script>"})).title == "your llama"
