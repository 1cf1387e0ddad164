"""Measures what the lessons on the names model claim, over seeds: `python docs/measure_names.py ranks 0 1 2 3 4`.

Prints one line a run and at last the medians; a run of three ranks takes some seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from lora_viz.lessons.language.one_name import MODULE_SETS, RANKS
from lora_viz.networks.adapter_batch import AdapterSpec
from lora_viz.networks.names import LANGUAGES
from lora_viz.networks.names_training import NamesExperiment, NamesRun, adapt_names


def run(language: str, seed: int, modules: tuple[str, ...]) -> NamesRun:
    specs = tuple(AdapterSpec(rank=r, modules=modules, seed=seed) for r in RANKS)
    found = None
    for item in adapt_names(NamesExperiment(specs=specs, language=language, seed=seed)):
        found = item if isinstance(item, NamesRun) else found
    assert found is not None
    return found


def ranks(seeds: list[int]) -> None:
    """Loss on the language's held-out names and on English ones, by rank: is forgetting larger at a larger rank?"""
    grows, all_of_them, copied = 0, 0, []
    for language in list(LANGUAGES)[1:]:
        for seed in seeds:
            found = run(language, seed, MODULE_SETS["all"])
            old = found.old[-1]
            grows += int((np.diff(old) > 0).all())
            all_of_them += 1
            copied.append([found.base_copied, *found.copied])
            sys.stdout.write(
                f"{language} seed {seed}: base {found.new[0, 0]:.3f} new {found.new[-1].round(3)} "
                f"English {found.old[0, 0]:.3f} -> {old.round(3)} copied {found.copied}\n"
            )
            sys.stdout.flush()
    sys.stdout.write(f"forgetting grew with the rank in {grows} of {all_of_them} runs\n")
    sys.stdout.write(f"copied, mean of base and ranks {RANKS}: {np.mean(copied, axis=0).round(4)}\n")


if __name__ == "__main__":
    {"ranks": ranks}[sys.argv[1]]([int(s) for s in sys.argv[2:]])
