"""A served app and a real Chromium, for the tests and benchmarks that see what a person sees."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
PATHS = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])  # of what a test starts
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """The path of the Chromium that is installed here: the one without a window of its own, where there is one."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    assert found, "no Chromium on the PATH: `bash tests/from_debian.sh chromium` installs it on Debian"
    return found


@contextmanager
def served(script: Path = ROOT / "app.py", base: str = "") -> Iterator[str]:
    """Serve a Streamlit script on a free port of this machine, maybe below a path; yields its address."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    server = subprocess.Popen(
        [*command, "--server.headless", "true", "--server.address", "127.0.0.1", "--server.baseUrlPath", base],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": PATHS, "LORA_PLAYGROUND_ADDRESS": "127.0.0.1"},  # the room is this machine
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}/{base}".rstrip("/")
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise RuntimeError("the server did not start within 20 seconds")
        yield address
    finally:
        server.terminate()
        server.wait(10)
