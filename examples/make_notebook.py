"""Writes examples/lora_playground.ipynb from its cells: `python examples/make_notebook.py`."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
VERSION = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["version"]

CELLS = (
    ("markdown", "# LoRA Playground in a notebook\n\nEvery number comes from a small training that runs here. Needs "
     "`lora-playground`; the last part `peft`, too. Jupyter, VS Code, marimo and Colab show the pictures inline."),
    ("markdown", "Where the playground is not installed, as in Colab, this installs it with its CPU build of torch: "
     "from a wheel (`pip wheel --no-deps -w . .` in a checkout makes one; upload it beside this notebook), or from an "
     "address that pip understands, such as that of its git repository behind `git+`."),
    ("code", "import importlib.util\nimport subprocess\nimport sys\n\n"
     f"SOURCE = \"lora_playground-{VERSION}-py3-none-any.whl\"\n"
     "if importlib.util.find_spec(\"lora_viz\") is None:\n"
     "    subprocess.run([sys.executable, \"-m\", \"pip\", \"install\", \"-q\", SOURCE, \"peft\"], check=True)"),
    ("markdown", "## Train a sweep and play it\n\nTwelve ranks from five starts each. The picture moves: press play, "
     "or drag the curve."),
    ("code", "from lora_viz import lesson\n\nplayed = lesson(\"rank\").play(target_rank=4, noise=0.0)\nplayed"),
    ("markdown", "## Change one thing\n\nThe same seed, with noise on the labels."),
    ("code", "noisy = lesson(\"rank\").play(target_rank=4, noise=1.0)\nprint(played.takeaway)\nprint(noisy.takeaway)\n"
     "noisy"),
    ("markdown", "The numbers behind the picture are columns."),
    ("code", "{name: column[:4].round(3).tolist() for name, column in noisy.table.items()}"),
    ("markdown", "## Take an adapter home\n\nA PEFT folder, as a zip archive."),
    ("code", "from lora_viz.core.experiment import Experiment, Sweep\nfrom lora_viz.engine.training import train\n"
     "from lora_viz.export.adapter_folder import packed_adapter\n\n"
     "run = train(Sweep((Experiment(rank=4, steps=100),)))\narchive = packed_adapter(run, 0)\nlen(archive)"),
    ("markdown", "## Your own training as a film\n\nAny PEFT model, any torch optimiser. With transformers' `Trainer`: "
     "`callbacks=[WatchCallback(\"run.lora\")]` from `lora_viz.watched.callback`."),
    ("code", "import torch\nfrom peft import LoraConfig, get_peft_model\n\nimport lora_viz\n\ntorch.manual_seed(0)\n"
     "base = torch.nn.Sequential(torch.nn.Linear(24, 32), torch.nn.Tanh(), torch.nn.Linear(32, 8))\n"
     "model = get_peft_model(base, LoraConfig(r=4, target_modules=[\"0\", \"2\"]))\n"
     "x, y = torch.randn(64, 24), torch.randn(64, 8)\n"
     "optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)\n\n"
     "with lora_viz.watch(model, every=2) as seen:\n    for _ in range(60):\n"
     "        loss = torch.nn.functional.mse_loss(model(x), y)\n        optimizer.zero_grad()\n"
     "        loss.backward()\n        optimizer.step()\n        seen.loss(loss.item())\n\nrecord = seen.record()"),
    ("code", "from lora_viz.watched.film import film, takeaway\n\nprint(takeaway(record))\nfilm(record)"),
)  # fmt: skip


def notebook() -> str:
    """The file, without outputs."""
    cells = []
    for i, (kind, source) in enumerate(CELLS):
        own: dict[str, object] = {
            "cell_type": kind,
            "id": f"cell-{i}",
            "metadata": {},
            "source": source.splitlines(True),
        }
        if kind == "code":
            own |= {"execution_count": None, "outputs": []}
        cells.append(own)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("lora_playground.ipynb").write_text(notebook(), encoding="utf-8")
