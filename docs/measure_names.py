"""Measures what the lessons on the names model claim, over seeds.

`python docs/measure_names.py ranks 0 1 2 3 4` prints one line a run and at last the medians; a run of three ranks takes
some seconds. `python docs/measure_names.py decay 0 1 2 3 4 5 6 7` writes what the lesson on dropout and weight decay
opens with: 48 runs, some minutes. `mixed` and `one` take seeds too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from lora_viz.lessons.language.one_name import MODULE_SETS, RANKS
from lora_viz.networks.adapter_batch import AdapterSpec
from lora_viz.networks.names import LANGUAGES
from lora_viz.networks.names_mixed import MixedNames, mixed_names
from lora_viz.networks.names_one_rank import OneRankNames, one_rank_names
from lora_viz.networks.names_regularised import (
    MEASURED,
    SIZES,
    STRENGTHS,
    Regularised,
    as_written,
    joined_seeds,
    regularised,
)
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


def decay(seeds: list[int]) -> None:
    """Dropout and weight decay at every size of data."""
    found = []
    for kind in STRENGTHS:
        for examples in SIZES:
            runs = [item for seed in seeds for item in regularised(kind, "italian", examples, seed)
                    if isinstance(item, Regularised)]  # fmt: skip
            found.append(joined_seeds(runs))
            for name in ("new", "learnt", "old", "nuclear", "spread"):
                sys.stdout.write(f"{kind} {examples} {name} {np.median(getattr(found[-1], name), axis=0).round(3)}\n")
            sys.stdout.flush()
    MEASURED.write_text(as_written(found), encoding="utf-8")


def mixed(seeds: list[int]) -> None:
    """Half of each of two adapters against the base, on both languages."""
    better, runs = 0, 0
    for first, second in (("italian", "finnish"), ("turkish", "zulu"), ("italian", "icelandic"), ("zulu", "finnish")):
        for seed in seeds:
            found = next(item for item in mixed_names(first, second, seed) if isinstance(item, MixedNames))
            half = len(found.weight) // 2
            losses = np.array([found.loss_first[half], found.loss_second[half]])
            runs += 1
            better += int((losses < found.base[:2]).all())
            sys.stdout.write(f"{first} {second} {seed}: half {losses.round(2)}, base {found.base.round(2)}\n")
            sys.stdout.flush()
    sys.stdout.write(f"better on both in {better} of {runs} runs\n")


def one(seeds: list[int]) -> None:
    """A rank-1 adapter in each of six places: do all six losses fall, and do b's letters through the head rise?"""
    fell, rose, runs, alike = 0, 0, 0, []
    for language in list(LANGUAGES)[1:]:
        for seed in seeds:
            found = next(x for x in one_rank_names(language, 100, 0.02, seed) if isinstance(x, OneRankNames))
            runs += 1
            fell += int((found.loss[-1] < found.base).all())
            rose += int((found.alike[-1] > 0).all())
            alike.append(found.alike[-1])
            sys.stdout.write(f"{language} {seed}: base {found.base:.2f}, {found.loss[-1].round(2)}, cosine "
                             f"{found.alike[-1].round(2)}\n")  # fmt: skip
            sys.stdout.flush()
    sys.stdout.write(f"of {runs} runs all losses fell in {fell}, all cosines were above 0 in {rose}; median and least "
                     f"by place {np.median(alike, axis=0).round(2)} {np.min(alike, axis=0).round(2)}\n")  # fmt: skip


if __name__ == "__main__":
    {"ranks": ranks, "decay": decay, "mixed": mixed, "one": one}[sys.argv[1]]([int(s) for s in sys.argv[2:]])
