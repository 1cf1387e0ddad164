"""A BERT small enough for a test: three layers of width 12 in the files that MiniLM has, and words it can spell."""

import itertools
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

_STEMS = ("good", "kind", "love", "hope", "calm", "hate", "evil", "grim", "harm", "rage", "warm", "cold")
_ENDS = ("", "ness", "ly", "ful", "less")
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *_STEMS, *(f"##{end}" for end in _ENDS if end), "##able"]
LEXICON = [(stem + end, (i < 5) != (end == "less")) for (i, stem), end in itertools.product(enumerate(_STEMS), _ENDS)]


def tiny_bert(folder: Path) -> Path:
    """Write the folder: config.json, model.safetensors, vocab.txt."""
    torch.manual_seed(11)
    config = BertConfig(
        vocab_size=len(PIECES), hidden_size=12, num_hidden_layers=3, num_attention_heads=4, intermediate_size=20,
        max_position_embeddings=17, initializer_range=0.3,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return folder
