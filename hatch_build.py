"""The package's dependencies: those of requirements.txt, with torch's CPU build by its address and its hash.

On Linux a plain ``torch==…`` from PyPI brings 2.7 GB of CUDA, and a package cannot name a further index. It can name
files: one a Python and processor, each with its hash, so that no index decides which torch this is. On macOS and
Windows PyPI's torch is the CPU build. ``LORA_PLAYGROUND_TORCH=index`` at the installation asks for whatever torch the
installer's own index has: the CUDA build from PyPI, or the one of a mirror.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

WHEELS = "https://download.pytorch.org/whl/cpu"


def dependencies(requirements: str, torch: str, sha256: dict[str, str], asked: str) -> list[str]:
    """What an installer is told. ``sha256`` is by "cp311-x86_64"; ``asked`` is what the environment variable says."""
    lines = [line.partition("#")[0].strip() for line in requirements.splitlines()]
    others = [line for line in lines if line and not line.startswith(("-", "torch=="))]
    if asked == "index":
        return [f"torch=={torch}", *others]
    if asked:
        raise ValueError(f"LORA_PLAYGROUND_TORCH={asked} is not possible: allowed are index and nothing.")
    built = [
        f"torch @ {WHEELS}/torch-{torch}%2Bcpu-{python}-{python}-manylinux_2_28_{machine}.whl#sha256={digest} ; "
        f"sys_platform == 'linux' and platform_machine == '{machine}' and python_version == '3.{python[3:]}'"
        for (python, _, machine), digest in ((name.partition("-"), digest) for name, digest in sha256.items())
    ]
    return [*built, f"torch=={torch} ; sys_platform != 'linux'", *others]


class Dependencies(MetadataHookInterface):
    """Puts them into the package's metadata when it is built."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "requirements.txt").read_text(encoding="utf-8")
        asked = os.environ.get("LORA_PLAYGROUND_TORCH", "")
        metadata["dependencies"] = dependencies(text, self.config["torch"], self.config["sha256"], asked)
