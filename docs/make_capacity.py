"""How many random bits does LoRA hold? Trains every rank on every sample count, eight seeds, and keeps the accuracies.

`python docs/make_capacity.py` writes lora_viz/networks/data/capacity_measured.json, some two minutes on one idle core.
Seeds that the file has already are kept; `--afresh` measures them again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from lora_viz.networks.bits import RANKS, SAMPLES, BitsExperiment, BitsRun
from lora_viz.networks.memorise import memorise_bits

FILE = Path(__file__).parent.parent / "lora_viz" / "networks" / "data" / "capacity_measured.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--afresh", action="store_true")
    asked = parser.parse_args()
    kept = FILE.exists() and not asked.afresh
    accuracy = json.loads(FILE.read_text(encoding="utf-8"))["accuracy"] if kept else []
    for seed in range(len(accuracy), asked.seeds):
        accuracy.append([measured(rank, seed) for rank in RANKS])
        told = {
            "made_by": "python docs/make_capacity.py",
            "what": "share of N random labels read right after 800 steps: a list a seed, in it a list a rank",
            "ranks": RANKS,
            "samples": SAMPLES,
            "accuracy": accuracy,
        }
        FILE.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def measured(rank: int, seed: int) -> list[float]:
    """One training a sample count: the accuracies at the end."""
    run = list(memorise_bits(BitsExperiment(rank=rank, seed=seed)))[-1]
    assert isinstance(run, BitsRun)
    return [round(float(x), 6) for x in run.accuracy[-1]]


if __name__ == "__main__":
    main()
