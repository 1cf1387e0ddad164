"""A real Redis from Debian, for the tests and benchmarks of rooms."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = next(filter(None, map(shutil.which, ("redis-server", "valkey-server"))), None)
MISSING = (
    "no redis-server on the PATH: `bash tests/from_debian.sh redis-server` installs it"
    if SERVER is None
    else "" if importlib.util.find_spec("redis") else "the package redis is not installed"
)  # fmt: skip


@contextmanager
def redis_served() -> Iterator[str]:
    """A Redis or Valkey that keeps nothing and hears nobody outside; yields its address."""
    assert SERVER is not None
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "redis.sock"
        command = [SERVER, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
        server = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            for _ in range(100):
                if socket.exists():
                    break
                time.sleep(0.05)
            yield f"unix://{socket}"
        finally:
            server.terminate()
            server.wait(10)
