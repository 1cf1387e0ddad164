"""Writes docs/licences.md: what the playground ships and what it installs, under which licence each.

`python docs/make_licences.py`, in the environment of the app; the names come from requirements.lock, the licences from
what each package says of itself there.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHORT = {  # what packages write in full, by its SPDX name
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "BSD": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Dual License": "Apache-2.0 OR BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache License, Version 2.0": "Apache-2.0",
}
SHIPPED = """# Licences

The playground itself is [MIT](../LICENSE): its code, its texts, its pictures, its decks.

## Shipped in the package, in lora_viz/

| what | from | licence |
|---|---|---|
| `networks/data/digits.npz` | Alpaydin & Kaynak 1998, UCI, by way of scikit-learn | CC BY 4.0, BSD-3-Clause |
| `networks/data/minilm*`: measured on all-MiniLM-L6-v2; no weight of it | sentence-transformers | Apache-2.0 |
| words and ratings behind those measurements, none of them shipped | VADER, Hutto & Gilbert 2014 | MIT |
| everything else | this project | MIT |

How each was made: [lora_viz/networks/data/README.md](../lora_viz/networks/data/README.md).

## Installed beside it

Written by `docs/make_licences.py` from requirements.lock. No file of these packages lies in this one.

| package | licence |
|---|---|
"""


def locked() -> tuple[str, ...]:
    """The packages of the app, on any platform."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return tuple(dict.fromkeys(re.findall(r"^([a-z0-9.-]+)==", text, re.M)))


def licence(name: str) -> str:
    """What a package says its licence is."""
    told = metadata(name)
    said = told.get("License-Expression") or ""
    if not said:
        classes = [c.rpartition(" :: ")[2] for c in told.get_all("Classifier", []) if c.startswith("License ::")]
        said = " AND ".join(dict.fromkeys(c for c in classes if c != "OSI Approved"))
    said = said or (told.get("License") or "").splitlines()[0]
    return SHORT.get(said, said)


def page() -> str:
    """The whole list."""
    return SHIPPED + "".join(f"| {name} | {licence(name)} |\n" for name in locked())


if __name__ == "__main__":
    (ROOT / "docs" / "licences.md").write_text(page(), encoding="utf-8")
    sys.stdout.write(f"docs/licences.md: {len(locked())} packages\n")
