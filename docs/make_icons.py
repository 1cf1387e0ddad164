"""Which icons does the playground need? Cuts Streamlit's font of 4,000 icons down to those that may be shown here.

`python docs/make_icons.py` writes lora_viz/ui/fonts/material_symbols.woff2, which is served in place of the whole font
(375 kB): a first visit waits for it. Kept is every icon whose name stands as a text in Streamlit's own scripts or in
this house. Needs fonttools 4.68.0 and brotli 1.2.1, which nothing else here does.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import streamlit

ROOT = Path(__file__).parent.parent
STATIC = Path(streamlit.__file__).parent / "static" / "static"
TO = ROOT / "lora_viz" / "ui" / "fonts" / "material_symbols.woff2"


def named() -> set[str]:
    """Every text that could be an icon's name, in Streamlit's scripts and here."""
    found: set[str] = set()
    for path in STATIC.glob("js/*.js"):
        text = path.read_text(encoding="utf-8", errors="ignore")
        found |= set(re.findall(r"""["'`](?::material/)?([a-z0-9][a-z0-9_]{1,40}):?["'`]""", text))
        found |= set(re.findall(r":material/([a-z0-9_]+):", text))
    for path in (ROOT / "lora_viz").rglob("*.py"):
        found |= set(re.findall(r":material/([a-z0-9_]+):", path.read_text(encoding="utf-8")))
    return found


def main() -> None:
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    (whole,) = STATIC.glob("media/MaterialSymbols-Rounded.*.woff2")
    font = TTFont(whole)
    letters = {glyph: chr(code) for code, glyph in font.getBestCmap().items()}
    wanted, kept = named(), set()
    for lookup in font["GSUB"].table.LookupList.Lookup:
        for table in lookup.SubTable:
            own = getattr(table, "ExtSubTable", table)
            for first, ligatures in list(getattr(own, "ligatures", {}).items()):
                names = ["".join(letters.get(glyph, "?") for glyph in (first, *each.Component)) for each in ligatures]
                both = [(each, name) for each, name in zip(ligatures, names, strict=True) if name in wanted]
                own.ligatures[first] = [each for each, _ in both]
                kept |= {name for _, name in both}
    options = Options(flavor="woff2", layout_features=["*"], notdef_outline=True, drop_tables=[])
    cut = Subsetter(options)
    cut.populate(text="abcdefghijklmnopqrstuvwxyz0123456789_")
    cut.subset(font)
    font.flavor = "woff2"
    TO.parent.mkdir(exist_ok=True)
    font.save(TO)
    sys.stdout.write(f"{len(kept)} icons, {TO.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
