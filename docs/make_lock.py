"""Writes torch.lock, requirements.lock and tests/requirements.lock: every package of app and tests, with its hashes.

`python docs/make_lock.py`, with uv on the path: one resolution for all platforms and for every Python that is allowed.
torch is written by hand here: on Linux its CPU build from PyTorch's page, whose hashes pyproject.toml holds, elsewhere
PyPI's, which is the CPU build there. What it needs is resolved with the rest; its CUDA packages are never asked for.
torch.lock has it alone, for an installer asks every page that it is given for every package, and may then take any
package from it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TORCH = CONFIG["tool"]["hatch"]["metadata"]["hooks"]["custom"]
# What torch's metadata asks for beside CUDA.
NEEDED_BY_TORCH = ("filelock", "typing-extensions", "setuptools", "sympy", "networkx", "jinja2", "fsspec")
HEAD = """# Written by `python docs/make_lock.py`: do not edit. For every platform, with hashes.
"""


def compiled(lines: list[str]) -> str:
    """What uv resolves these requirements to, for all platforms."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "given.in"
        # torch as a fixed point that nobody resolves: what asks for it finds it excluded.
        given.write_text("\n".join(lines) + "\n", encoding="utf-8")
        exclude = Path(folder) / "exclude.txt"
        exclude.write_text("torch\n", encoding="utf-8")
        command = ["uv", "pip", "compile", str(given), "--universal", "--generate-hashes", "--no-header"]
        command += ["--python-version", "3.11", "--no-annotate", "--excludes", str(exclude)]
        command += ["--default-index", "https://pypi.org/simple", "--no-config", "--quiet"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def torch_lines() -> str:
    """The two torches: one for Linux, one for the rest."""
    asked = urllib.request.Request(
        "https://pypi.org/simple/torch/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    with urllib.request.urlopen(asked) as answer:
        files = json.load(answer)["files"]
    begins = f"torch-{TORCH['torch']}-"
    elsewhere = [
        file["hashes"]["sha256"]
        for file in files
        if file["filename"].startswith(begins) and re.search(r"-(macosx|win)_", file["filename"])
    ]

    def entry(version: str, marker: str, digests: list[str]) -> str:
        hashes = " \\\n".join(f"    --hash=sha256:{digest}" for digest in sorted(digests))
        return f"torch=={version} ; {marker} \\\n{hashes}\n"

    return entry(f"{TORCH['torch']}+cpu", "sys_platform == 'linux'", list(TORCH["sha256"].values())) + entry(
        TORCH["torch"], "sys_platform != 'linux'", elsewhere
    )


def requirements(file: str) -> list[str]:
    """The lines of a requirements file that name a package other than torch."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-", "torch=="))]


if __name__ == "__main__":
    app = [*requirements("requirements.txt"), *NEEDED_BY_TORCH]
    tests = [*app, *requirements("tests/requirements.txt")]
    torch = torch_lines()
    (ROOT / "torch.lock").write_text(HEAD + torch, encoding="utf-8")
    for file, lines in (("requirements.lock", app), ("tests/requirements.lock", tests)):
        text = HEAD + torch + compiled(lines)
        (ROOT / file).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{file}: {len(re.findall(r'^[a-z0-9]', text, re.M))} packages\n")
