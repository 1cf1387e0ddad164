"""Derives lists of names from the package faker and pretrains the small language model that is shipped with them.

    python docs/make_names.py lists FOLDER    # FOLDER holds faker (MIT) as unpacked from its wheel, version 40.54.0
    python docs/make_names.py base            # pretrains on the English names, about a minute on one core

Writes lora_viz/networks/data/names/.
"""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from lora_viz.networks.names import DATA, LANGUAGES, LONGEST, pretrained_names

LOCALES = {
    "english": ("en_US", "en_GB", "en"),
    "italian": ("it_IT",),
    "finnish": ("fi_FI",),
    "turkish": ("tr_TR",),
    "icelandic": ("is_IS",),
    "zulu": ("zu_ZA",),
}
# What does not fall apart into a letter and an accent.
LETTERS = {"ı": "i", "ø": "o", "ß": "ss", "æ": "ae", "þ": "th", "ð": "d", "ł": "l", "đ": "d", "œ": "oe"}


def folded(name: str) -> str:
    """In the letters a to z; empty where that cannot be."""
    name = "".join(LETTERS.get(c, c) for c in name.strip().lower())
    name = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return name if name.isascii() and name.isalpha() and 2 <= len(name) <= LONGEST else ""


def derive(folder: str) -> None:
    """One list a language; names that are English ones too are left to the English."""
    sys.path.insert(0, folder)
    import importlib

    found: dict[str, set[str]] = {}
    for language, locales in LOCALES.items():
        names: set[str] = set()
        for locale in locales:
            provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
            for attribute in dir(provider):
                if attribute.startswith(("first_names", "last_names")):
                    value = getattr(provider, attribute)
                    names |= {folded(n) for n in value if isinstance(n, str)} if not callable(value) else set()
        found[language] = names - {""}
    DATA.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        names = found[language] if language == "english" else found[language] - found["english"]
        (DATA / f"{language}.txt").write_text("\n".join(sorted(names)) + "\n", encoding="ascii")
        sys.stdout.write(f"{language} {len(names)}\n")


def base() -> None:
    """The weights, as float16: they are what every visitor's training begins from."""
    weights = None
    for item in pretrained_names():
        if isinstance(item, dict):
            weights = item
        else:
            sys.stdout.write(f"{item.share:.0%} {item.said}\n")
    assert weights is not None
    arrays = {name: value.to(torch.float16).numpy() for name, value in weights.items()}
    with (DATA / "base.npz").open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


if __name__ == "__main__":
    derive(sys.argv[2]) if sys.argv[1:2] == ["lists"] else base()
