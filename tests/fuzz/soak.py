"""A running app under hostile addresses, bodies and files, while somebody else changes a setting and waits.

`python -m tests.fuzz.soak [--count 1000]`: serves the app, sends in turns, from four clients: addresses of
the light edition (settings, encodings, lengths), addresses of everything else, answers and bodies for rooms, uploads
with wrong names, sessions and forms. Meanwhile a visitor changes a seed again and again, first alone and then beside
all this. Ends with 1 where an answer is a 500, a line of the log tells of an exception, or the server is gone.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from lora_viz.lessons.walk import lessons
from tests.fuzz.addresses import ENCODINGS, VALUES, encoded, queries
from tests.fuzz.inputs import NASTY

ROOT = Path(__file__).parent.parent.parent
CLIENTS = 4
# Lessons of short computations: a link may ask a long one for a training of a minute, which is no fault.
QUICK = (
    "rank",
    "machine",
    "alpha",
    "merge",
    "matrix",
    "truncated_svd",
    "glossary",
    "follow",
    "transformer",
    "cost",
    "quiz",
)


@contextmanager
def logged(log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve the app with its log in a file."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.port", str(port)]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, "--server.headless", "true", "--server.address", "127.0.0.1"],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=out, stderr=out,
        )  # fmt: skip
        try:
            for _ in range(1200):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}", server
        finally:
            server.terminate()
            server.wait(20)


def ask(address: str, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Status and body; the path goes as it is. 0: the server hung up, 599: it did not answer in two minutes."""
    split = urlsplit(address)
    connection = http.client.HTTPConnection(split.hostname or "", split.port, timeout=120)
    connection._validate_path = lambda _: None  # type: ignore[attr-defined]  # what is not allowed is what is tried
    connection._encode_request = lambda line: line.encode("latin-1", "replace")  # type: ignore[attr-defined]
    try:
        connection.request(method, path, body, {"Connection": "close", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (http.client.HTTPException, ConnectionError):
        return 0, b""
    except TimeoutError:
        return 599, b""
    finally:
        connection.close()


def hostile(seed: int) -> Iterator[tuple[str, str, str, bytes | None, dict[str, str]]]:
    """Kind, method, path, body and headers, without end."""
    rng = random.Random(seed)
    light = [(each.id, queries(each, seed, 9_000)) for each in lessons() if each.id in QUICK]
    paths = (
        *("/", "/rank", "/light/", "/light/nobody", "/room", "/room/state", "/room/table", "/_stcore/host-config"),
        *("/%00", "/..%2f..%2fapp.py", "/media/x", "/component/x/y", "/static/../app.py", "//h.invalid/"),
    )
    json_type = {"Content-Type": "application/json"}
    while True:
        lesson, links = light[rng.randrange(len(light))]
        yield (
            "light edition",
            "GET",
            f"/light/{lesson}?{next(links)}".replace(" ", "%20").replace("\n", "%0A"),
            None,
            {},
        )
        value = encoded(rng.choice(VALUES), rng.choice(ENCODINGS))
        path = f"{rng.choice(paths)}?{value}={value}".translate({10: "%0A", 13: "%0D", 32: "%20", 0: "%00"})
        yield (
            "other addresses",
            rng.choice(("GET", "HEAD", "POST", "PUT", "DELETE")),
            path,
            None,
            {"Accept-Language": "".join(filter(str.isprintable, value))[:90]},
        )
        table = {
            rng.choice(("code", "answer", "place", "name", "token", "act", "text", "")): rng.choice(NASTY)
            for _ in range(3)
        }
        text = json.dumps(table).encode() if rng.random() < 0.7 else rng.randbytes(rng.choice((0, 9, 40_000)))
        bearer = {"Authorization": rng.choice(("", "Bearer", "Bearer x", "Bearer " + "a" * 5000, "Basic eDp4"))}
        where = rng.choice(("join", "answer", "state", "act", "front", "thought", "table"))
        code = rng.choice(("", "AAAA", "%00", "x" * 300, "..", encoded(rng.choice(VALUES), "percent")))
        yield "rooms", rng.choice(("GET", "POST")), f"/room/{where}?code={code}", text, {**json_type, **bearer}
        name, session = (encoded(rng.choice(VALUES), "percent") or "x" for _ in range(2))
        form = rng.choice(
            (
                b"",
                b"--b\r\n",
                b'--b\r\nContent-Disposition: form-data; name="f"; filename="\x00"\r\n\r\nPK\x05\x06\r\n--b--\r\n',
            )
        )
        kind = rng.choice(("multipart/form-data; boundary=b", "multipart/form-data", "text/plain", "x" * 3000))
        yield (
            "uploads",
            rng.choice(("PUT", "DELETE", "POST")),
            f"/_stcore/upload_file/{session}/{name}",
            form,
            {"Content-Type": kind},
        )


class Waiting(threading.Thread):
    """Somebody who sets another seed of a lesson again and again, and what each took, in seconds."""

    def __init__(self, address: str, first: int) -> None:
        super().__init__()
        self.address, self.first, self.over = address, first, threading.Event()
        self.took, self.answered = list[float](), set[int]()

    def run(self) -> None:
        seed = self.first
        while not self.over.is_set():
            began = time.perf_counter()
            status, _ = ask(self.address, "GET", f"/light/rank?seed={seed}")
            self.answered.add(status)
            self.took.append(time.perf_counter() - began)
            seed += 1
            self.over.wait(0.25)

    def p95(self) -> float:
        return sorted(self.took)[int(0.95 * len(self.took))]


def main() -> int:
    """A table, a line of JSON, and whether all was well."""
    options = argparse.ArgumentParser()
    options.add_argument("--count", type=int, default=1000)
    options.add_argument("--alone", type=float, default=20.0, help="seconds that the other visitor is alone")
    given = options.parse_args()
    statuses: dict[str, collections.Counter[int]] = collections.defaultdict(collections.Counter)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder, logged(Path(folder) / "log") as (address, server):
        ask(address, "GET", "/light/rank")
        alone = Waiting(address, 1000)
        alone.start()
        time.sleep(given.alone)
        alone.over.set()
        alone.join()

        def client(seed: int) -> None:
            stream = hostile(seed)
            for _ in range(given.count // CLIENTS):
                kind, method, path, body, headers = next(stream)
                status, answer = ask(address, method, path, body, **headers)
                statuses[kind][status] += 1
                if status in (500, 599) or b"Traceback" in answer:
                    wrong.append(f"{status} {method} {path[:200]!r} {(body or b'')[:80]!r}")

        beside = Waiting(address, 5000)
        beside.start()
        clients = [threading.Thread(target=client, args=(seed,)) for seed in range(CLIENTS)]
        for each in clients:
            each.start()
        for each in clients:
            each.join()
        beside.over.set()
        beside.join()
        alive = server.poll() is None and ask(address, "GET", "/_stcore/health")[0] == 200
        log = (Path(folder) / "log").read_text(encoding="utf-8", errors="replace")
    wrong += [f"the other visitor got {status}" for status in (alone.answered | beside.answered) - {200}]
    wrong += [line for line in log.splitlines() if "Traceback" in line or "Error" in line or "Exception" in line]
    for kind, found in statuses.items():
        print(f"{kind:16s} " + "  ".join(f"{status}: {count}" for status, count in sorted(found.items())))
    both = (
        f"{each.p95():.2f} s {where} ({len(each.took)} changes)" for each, where in ((alone, "alone"), (beside, "now"))
    )
    print("another visitor's change, p95: " + ", ".join(both))
    for line in wrong[:40]:
        print("WRONG", line)
    print(json.dumps({"soak": "hostile", "count": given.count, "wrong": len(wrong), "alive": alive,
                      "alone_p95_s": round(alone.p95(), 3), "beside_p95_s": round(beside.p95(), 3)}))  # fmt: skip
    return 0 if alive and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
