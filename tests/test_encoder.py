"""The encoder is BERT: the same numbers as transformers', the same tokens, and PEFT's adapters on it."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import BertConfig, BertModel, BertTokenizer

from lora_viz.core.experiment import ExperimentError
from lora_viz.networks.encoder import Encoder, WordPieces, attach_lora, linear_layers, load_encoder
from lora_viz.networks.word_polarity import (
    LowerHalf,
    fit_probe,
    probe_head,
    read_lexicon,
    split_words,
    train_words,
    word_data,
)
from tests.tiny_bert import LEXICON, PIECES, tiny_bert


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("bert"))


def sha(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture
def loaded(folder: Path) -> tuple[Encoder, WordPieces]:
    return load_encoder(folder, sha256=sha(folder))


def test_the_same_features_as_transformers(folder: Path, loaded: tuple[Encoder, WordPieces]) -> None:
    encoder, tokens = loaded
    ids, mask = tokens([word for word, _ in LEXICON[:19]])
    bert = BertModel.from_pretrained(folder).eval()
    with torch.no_grad():
        hidden = bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        wanted = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        torch.testing.assert_close(encoder(ids, mask), wanted, rtol=1e-5, atol=1e-6)
        halves = encoder.run(encoder.run(encoder.embed(ids), mask, 0, 1), mask, 1)
        torch.testing.assert_close((halves * mask[..., None]).sum(1) / mask.sum(1, keepdim=True), wanted)
    assert len(list(linear_layers(encoder))) == 6 * 3


def test_the_same_tokens_as_transformers(folder: Path, loaded: tuple[Encoder, WordPieces]) -> None:
    words = [word for word, _ in LEXICON] + ["zzz", "loveable"]
    ids, mask = loaded[1](words)
    theirs = BertTokenizer(vocab=str(folder / "vocab.txt"))(words, padding=True, return_tensors="pt")
    assert (ids == theirs["input_ids"]).all()
    assert (mask == theirs["attention_mask"].bool()).all()
    assert loaded[1].pieces("zzz") == ["[UNK]"]


def test_adapters_on_the_encoder_are_pefts(folder: Path, loaded: tuple[Encoder, WordPieces]) -> None:
    encoder, tokens = loaded
    ids, mask = tokens([word for word, _ in LEXICON[:7]])
    adapters = attach_lora(encoder, rank=3, alpha=6.0, seed=5, first=1)
    bert = BertModel.from_pretrained(folder).eval()
    target = [name for name in dict(bert.named_modules()) if name in adapters]
    assert len(target) == len(adapters) == 4
    peft = get_peft_model(bert, LoraConfig(r=3, lora_alpha=6.0, target_modules=target)).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, layer in adapters.items():
            layer.lora_B.normal_(generator=generator)
            other = peft.base_model.model.get_submodule(name)
            other.lora_A["default"].weight.copy_(layer.lora_A)
            other.lora_B["default"].weight.copy_(layer.lora_B)
    x = encoder(ids, mask)
    hidden = peft(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    y = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)
    x.square().sum().backward()
    y.square().sum().backward()
    for name, layer in adapters.items():
        other = peft.base_model.model.get_submodule(name)
        torch.testing.assert_close(layer.lora_A.grad, other.lora_A["default"].weight.grad, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(layer.lora_B.grad, other.lora_B["default"].weight.grad, rtol=1e-3, atol=1e-4)
    trained = {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert trained == {f"{name}.lora_{x}" for name in adapters for x in "AB"}, "all else is frozen"


def test_other_bytes_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ExperimentError, match=r"^model\.safetensors has SHA-256 [0-9a-f]{12}…\. It must be 53aa51172d14…\.$"
    ):
        load_encoder(folder)


def test_words_of_one_family_stay_on_one_side() -> None:
    train, test = split_words(LEXICON, train=30, test=12, seed=2)
    assert 0 < len(train) <= 30 and 0 < len(test) <= 12
    assert not {w[:4] for w, _ in train} & {w[:4] for w, _ in test}
    assert not {w for w, _ in train} & {w for w, _ in test}
    assert split_words(LEXICON, train=30, test=12, seed=2) == (train, test)
    assert split_words(LEXICON, train=30, test=12, seed=3) != (train, test)


def test_the_lexicon_keeps_words_that_lean(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.txt"
    rows = ("good\t1.9\t0.9\t[2]", ":-)\t2.0\t1\t[2]", "meh\t-0.3\t0.5\t[0]", "bad\t-2.5\t0.6\t[-3]", "ok\t1.2\t1\t[1]")
    path.write_text("\n".join(rows), encoding="utf-8")
    assert read_lexicon(path) == [("good", True), ("bad", False)]


def test_kept_lower_layers_give_the_same_features(loaded: tuple[Encoder, WordPieces]) -> None:
    encoder, tokens = loaded
    words = word_data(tokens, LEXICON)
    whole, kept = (LowerHalf(encoder, words, first).everything() for first in (0, 2))
    torch.testing.assert_close(whole, kept, rtol=5e-3, atol=5e-3)  # what is kept is kept in half precision
    assert (whole == kept).float().mean() < 1


def test_a_probe_reads_what_is_linear_and_guesses_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    x, z = torch.randn(400, 11, generator=generator), torch.randn(300, 11, generator=generator)
    direction = torch.randn(11, generator=generator)
    y, t = ((f @ direction > 0).long() for f in (x, z))
    assert fit_probe(x, y, z, t) > 0.95
    head = probe_head(x, y)
    assert float((head(z).argmax(1) == t).double().mean()) == fit_probe(x, y, z, t), "as a head it reads the same"
    coin = torch.randint(0, 2, (300,), generator=generator)
    assert abs(fit_probe(x, y, z, coin) - 0.5) < 0.12


def test_training_stops_with_whoever_stops_asking(loaded: tuple[Encoder, WordPieces]) -> None:
    encoder, tokens = loaded
    data = word_data(tokens, LEXICON)
    adapters = attach_lora(encoder, rank=2, alpha=4.0, seed=0)
    head = torch.nn.Linear(encoder.width, 2)
    groups: list[dict[str, object]] = [{"params": [a.lora_B for a in adapters.values()], "lr": 0.01}]
    work = train_words(encoder, head, data, data, groups, epochs=50, seed=0, batch=8, chunk=1)
    reports = [next(work) for _ in range(3)]
    assert [r.share for r in reports] == sorted(r.share for r in reports)
    work.close()  # type: ignore[attr-defined]
    held = [a.lora_B.detach().clone() for a in adapters.values()]
    assert list(work) == []
    assert all((a.lora_B == b).all() for a, b in zip(adapters.values(), held, strict=True))
    assert any(b.abs().sum() > 0 for b in held)


def test_the_tiny_folder_is_what_it_says(folder: Path) -> None:
    assert json.loads((folder / "config.json").read_text())["hidden_size"] == 12
    assert (folder / "vocab.txt").read_text().splitlines() == PIECES
    assert BertConfig.from_pretrained(folder).num_hidden_layers == 3
