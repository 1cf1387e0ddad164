"""Two replicas of the app behind nginx, set up as ``deploy/replicas.conf`` says, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.browser import PATHS, ROOT

__all__ = ["NGINX", "Replicas", "replicas_served"]

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


class Replicas:
    """The servers behind ``address``, each of which can be stopped and started again on its own port."""

    def __init__(self, address: str, ports: list[int]) -> None:
        self.address, self.ports = address, ports
        self.servers = [self._begun(port) for port in ports]

    def _begun(self, port: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        return subprocess.Popen(
            [*command, "--server.headless", "true", "--server.address", "127.0.0.1"],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": PATHS},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def now(self, which: int) -> dict[str, int]:
        """What this replica does, as it tells its own machine; raises OSError."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[which]}/ready", timeout=20) as answer:
            return dict(json.load(answer)["now"])

    def wait(self, which: int) -> None:
        """Until this replica is ready."""
        for _ in range(600):
            with contextlib.suppress(OSError):
                self.now(which)
                return
            time.sleep(0.1)
        raise RuntimeError("the replica was not ready within a minute")

    def end(self, which: int, how: int = signal.SIGTERM) -> float:
        """Stop this replica; the seconds until it was gone."""
        began = time.perf_counter()
        self.servers[which].send_signal(how)
        self.servers[which].wait(60)
        return time.perf_counter() - began

    def begin(self, which: int) -> None:
        """Start it again, and wait until it is ready."""
        self.servers[which] = self._begun(self.ports[which])
        self.wait(which)


@contextlib.contextmanager
def replicas_served() -> Iterator[Replicas]:
    """Two replicas that are ready, and nginx in front of them."""
    assert NGINX is not None
    ports = []
    for _ in range(3):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            ports.append(s.getsockname()[1])
    shipped = (ROOT / "deploy" / "replicas.conf").read_text(encoding="utf-8")
    own, count = re.subn(r"10\.89\.7\.1([12]):8501", lambda m: f"127.0.0.1:{ports[int(m[1]) - 1]}", shipped)
    assert count == 2 and "listen 8080;" in own
    own = own.replace("listen 8080;", f"listen 127.0.0.1:{ports[2]};")
    with tempfile.TemporaryDirectory() as folder:
        paths = "".join(f"{name}_temp_path {folder}/{name};" for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
        config = Path(folder) / "nginx.conf"
        own = f"http {{ access_log off; client_body_temp_path {folder}/body; {paths}\n{own}\n}}\n"
        head = f"daemon off; pid {folder}/nginx.pid; error_log {folder}/log; events {{ worker_connections 1024; }}\n"
        config.write_text(head + own, encoding="utf-8")
        front = subprocess.Popen([NGINX, "-c", str(config)], stderr=subprocess.DEVNULL)
        replicas = Replicas(f"http://127.0.0.1:{ports[2]}", ports[:2])
        try:
            for which in range(2):
                replicas.wait(which)
            yield replicas
        finally:
            for each in (front, *replicas.servers):
                each.terminate()
            for each in (front, *replicas.servers):
                each.wait(30)
