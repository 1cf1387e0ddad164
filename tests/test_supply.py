"""What is known of what is installed: every package in the bill of materials, and the check for vulnerabilities."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from docs import audit
from docs.make_sbom import licences, packages, written

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("lock", audit.LOCKS)
def test_no_entry_of_a_lock_is_missed(lock: str) -> None:
    """Against the lines that pip would read."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.partition(" --hash")[0] for line in text.splitlines() if line and line[0] not in "# "]
    asked = [(r.name, str(r.specifier)[2:], str(r.marker or "").replace('"', "'")) for r in map(Requirement, lines)]
    assert [(name, version, marker) for name, version, marker, _ in packages(lock)] == asked
    assert sum(len(hashes) for *_, hashes in packages(lock)) == text.count("--hash=sha256:")


def test_every_package_has_a_licence() -> None:
    assert {name for name, *_ in packages()} <= set(licences())


@pytest.mark.skipif(find_spec("cyclonedx") is None, reason="cyclonedx is not installed (requirements-supply.txt)")
def test_the_bill_is_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    text = written()
    assert text == written(), "same lock, same list"
    bill = json.loads(text)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    of_bill = {c["bom-ref"]: sorted(h["content"] for h in c["hashes"]) for c in bill["components"]}
    assert of_bill == {f"{name}=={version}": sorted(hashes) for name, version, _, hashes in packages()}
    assert all(c["licenses"] for c in bill["components"])
    on_own = next(each for each in bill["dependencies"] if each["ref"] == "lora-playground")
    assert set(on_own["dependsOn"]) == set(of_bill)


@contextmanager
def osv(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A list of vulnerabilities that answers this, and what it was asked."""
    asked: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_known_is_named_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    count = len({(name, version) for lock in audit.LOCKS for name, version, *_ in packages(lock)})
    clean: list[dict[str, object]] = [{} for _ in range(count)]
    with osv(json.dumps({"results": [{"vulns": [{"id": "GHSA-1"}, {"id": "PYSEC-2"}]}, *clean[1:]]}).encode()) as (
        at,
        asked,
    ):
        assert audit.main(at) == 1
    queries = json.loads(asked[0])["queries"]
    assert len(queries) == count and not [q for q in queries if "+" in q["version"]]
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(queries[0]["package"]["name"]) and told[0].endswith("/GHSA-1")
    assert told[2] == f"2 known vulnerabilities in {count} packages."
    with osv(json.dumps({"results": clean}).encode()) as (at, _):
        assert audit.main(at) == 0


@pytest.mark.parametrize(
    "answer", [b"<html>", b"[]", b'{"results": [{}]}', None], ids=["html", "list", "short", "nobody"]
)
def test_without_an_answer_it_says_that_it_was_skipped(
    answer: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with osv(answer or b"") as (at, _):
        status = audit.main("http://127.0.0.1:1/" if answer is None else at)
    told = capsys.readouterr().out
    assert (
        status == 0 and told.count("\n") == 1 and told.startswith("The check for known vulnerabilities was skipped: ")
    )
