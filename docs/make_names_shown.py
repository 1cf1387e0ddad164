"""Trains what the lessons "One name bends", "Two languages in one name" and, of the names model, "What one rank does"
open with, and writes their files.

`python docs/make_names_shown.py`
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from lora_viz.lessons.lab import Lab
from lora_viz.lessons.language.one_name import (
    LESSON,
    SHIPPED,
    SHIPPED_ADAPTERS,
    as_shipped,
    experiment,
    one_name,
    ship_adapters,
)
from lora_viz.networks.names_mixed import SHIPPED_MIX, MixedNames, mixed_names, written
from lora_viz.networks.names_one_rank import SHIPPED_ONE_RANK, OneRankNames, as_written, one_rank_names
from lora_viz.networks.names_training import adapt_names

if __name__ == "__main__":
    shown = one_name(Lab().follow(adapt_names, experiment(LESSON.settings())))
    SHIPPED.write_text(as_shipped(shown), encoding="utf-8")
    ship_adapters(shown, SHIPPED_ADAPTERS)
    SHIPPED_MIX.write_text(
        written(next(item for item in mixed_names("italian", "finnish", 0) if isinstance(item, MixedNames))),
        encoding="utf-8",
    )
    SHIPPED_ONE_RANK.write_text(
        as_written(next(x for x in one_rank_names("italian", 100, 0.02, 0) if isinstance(x, OneRankNames))),
        encoding="utf-8",
    )
