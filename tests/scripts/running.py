"""What does a script print, run as its owner would run it: alone, in a process that does not know this house?"""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lora_viz.export.scripts.script import Script

# One process for many scripts, since importing torch takes longer than most of them.
DRIVER = """
import contextlib, io, json, os, runpy, sys
told = {}
for folder in sys.argv[1:]:
    os.chdir(folder)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        runpy.run_path("train.py")
    told[folder] = out.getvalue()
print(json.dumps(told))
"""


def printed(scripts: Mapping[str, Script], folder: Path) -> dict[str, str]:
    """What each of them prints. Nothing of the house can be imported there, and every warning is an error."""
    places = {name: folder / str(i) for i, name in enumerate(scripts)}
    for name, place in places.items():
        place.mkdir()
        (place / "train.py").write_text(scripts[name].text)
        (place / "data.npz").write_bytes(scripts[name].npz())
    command = [sys.executable, "-I", "-W", "error", "-c", DRIVER, *map(str, places.values())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0 and not done.stderr, done.stderr[-2000:]
    told = json.loads(done.stdout)
    return {name: told[str(place)] for name, place in places.items()}


def unpacked(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def numbers(told: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The rows' names, the numbers computed by the script and those of the playground, (rows, pairs)."""
    rows = [line.split() for line in told.splitlines()[1:]]
    values = np.array([[float(x) for x in row[1:]] for row in rows])
    return [row[0] for row in rows], values[:, 0::2], values[:, 1::2]


def reads_well(script: Script, lines: int = 60) -> None:
    text = script.text
    assert "lora_viz" not in text and "«" not in text
    assert len(text.splitlines()) <= lines and max(map(len, text.splitlines())) <= 120
    assert "\n\n\n\n" not in text
    compile(text, "train.py", "exec")
