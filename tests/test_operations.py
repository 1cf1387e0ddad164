"""What whoever runs the server sees of it: readiness, metrics, events; and that none of it tells of a visitor."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from streamlit import config

from lora_viz.core.counts import Took
from lora_viz.lessons.controls import Upload
from lora_viz.ui import events, metrics
from lora_viz.ui.counted import kind_of
from lora_viz.ui.readiness import Readiness, trained
from tests.awaited import awaited


def test_ready_means_that_one_adapter_was_trained_whoever_asks_how_often() -> None:
    begun, go_on = [], threading.Event()

    def training() -> dict[str, Any]:
        begun.append(1)
        assert go_on.wait(30)
        return trained()

    async def asked() -> list[dict[str, Any]]:
        one = Readiness(training, every=1e9)
        waiting = [asyncio.create_task(one.ask()) for _ in range(7)]
        await asyncio.sleep(0)
        go_on.set()
        return [*await asyncio.gather(*waiting), await one.ask()]

    found = awaited(asked())
    assert len(begun) == 1 and len({each["loss_after"] for each in found}) == 1
    assert all(each["ready"] and 0 < each["loss_after"] < each["loss_before"] for each in found)


def test_a_server_that_cannot_train_is_not_ready_and_says_so_until_it_can() -> None:
    broken = iter((True, False))

    def training() -> dict[str, Any]:
        if next(broken):
            raise MemoryError("a secret")
        return trained()

    async def asked() -> list[dict[str, Any]]:
        one = Readiness(training, every=0)
        return [await one.ask(), await one.ask()]

    first, second = awaited(asked())
    assert not first["ready"] and "MemoryError" in first["error"] and "secret" not in str(first)
    assert second["ready"]


def _request(**headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/metrics", "headers": pairs, "query_string": b""})


def test_who_may_see_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    before = config.get_option("server.address")
    monkeypatch.delenv(metrics.METRICS, raising=False)
    try:
        for address, host, may in (
            *(("127.0.0.1", "localhost:8501", True), ("localhost", "127.0.0.1:8501", True), ("::1", "[::1]:1", True)),
            *((None, "localhost:8501", False), ("0.0.0.0", "127.0.0.1", False), ("127.0.0.1", "lora.example", False)),
        ):
            config.set_option("server.address", address)
            assert metrics.may_see(_request(host=host)) == may, (address, host)
        config.set_option("server.address", "127.0.0.1")
        for name in ("x_forwarded_for", "forwarded", "x_real_ip", "via"):
            assert not metrics.may_see(_request(host="localhost", **{name: "10.0.0.1"})), "a proxy asks for somebody"
        monkeypatch.setenv(metrics.METRICS, "off")
        assert not metrics.may_see(_request(host="localhost"))
        monkeypatch.setenv(metrics.METRICS, "on")
        assert metrics.may_see(_request(host="lora.example", x_forwarded_for="10.0.0.1"))
        monkeypatch.setenv(metrics.METRICS, "yes")
        with pytest.raises(ValueError, match="Valid values: on, off"):
            metrics.begin()
    finally:
        config.set_option("server.address", before)


def test_every_event_is_counted_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("prometheus_client")
    monkeypatch.setenv(metrics.METRICS, "on")
    counted = metrics._Meters()
    monkeypatch.setattr(metrics, "_meters", lambda: counted)
    counted.heard("session", {"does": "opened", "open": 3})
    counted.heard("page", {"page": "rank", "seconds": 0.2, "cpu_seconds": 0.125})
    for inside in (False, True):
        told = {"what": "training", "end": "computed", "waited": 2.0, "seconds": 5.0, "cpu_seconds": 4.0}
        counted.heard("computation", {**told, "inside": inside})
    counted.heard("error", {"kind": "KeyError", "place": "x"})
    counted.heard("answer", {"kind": "page", "status": 200, "seconds": 0.1})
    answer = awaited(metrics.answer_metrics(_request(host="localhost")))
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = dict(line.rsplit(" ", 1) for line in bytes(answer.body).decode().splitlines() if line[0] != "#")
    of_ours = {name.removeprefix("lora_playground_"): float(value) for name, value in lines.items()}
    assert of_ours["sessions"] == 3 and of_ours['page_cpu_seconds_total{page="rank"}'] == 0.125
    assert of_ours["computation_cpu_seconds_total"] == 4, "what ran inside another is in that one's"
    assert of_ours['computation_seconds_bucket{end="computed",le="3.0"}'] == 0
    assert of_ours['computation_seconds_bucket{end="computed",le="10.0"}'] == 2
    assert of_ours['errors_total{kind="KeyError"}'] == of_ours['answers_total{kind="page",status="200"}'] == 1
    assert of_ours["process_open_fds"] > 0 and of_ours['computations{state="queued"}'] == 0


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *(("/", "page"), ("/rank", "page"), ("/light/rank", "plain page"), ("/room/api/BCDF/answer", "room")),
        *(("/_stcore/health", "watch"), ("/ready", "watch"), ("/_stcore/upload_file/a/b", "upload")),
        *(("/static/js/x.js", "file"), ("/_stcore/stream", "session"), ("/wp-login.php", "other"), ("/ä/%00", "other")),
    ],
)  # fmt: skip
def test_an_answers_kind_is_one_of_ours(path: str, kind: str) -> None:
    assert kind_of(path) == kind


def test_what_is_written_down_is_one_line_of_json_and_tells_of_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = "Ada-10.1.2.3"
    monkeypatch.setattr(events, "_listeners", [])
    monkeypatch.setenv(events.LOG, str(tmp_path / "events"))
    monkeypatch.setattr(events.RESULTS, "heard", None)
    events.begin()
    try:
        raise KeyError(secret)
    except KeyError as error:
        events.of_script_error(error)
    with events.timed_page("rank"):
        pass
    for key in (
        *(("record", "lora_viz.lessons.basics.rank", "measure", "en", secret), ("run", secret, "cpu", 161, ())),
        *(
            ("lora_viz.adapters.opening", "open_adapter", "de", (Upload(secret, secret.encode()),), ()),
            (secret,),
            secret,
        ),
    ):
        events.RESULTS.heard(Took(key, "computed", 0.25, 1.5, 1.25, False))
    events.tell("answer", kind="page", status=200, seconds=0.1)
    events.tell("answer", kind="other", status=404, seconds=0.1)
    events.end()
    text = (tmp_path / "events").read_text(encoding="utf-8")
    told = [json.loads(line) for line in text.splitlines()]
    assert secret not in text and "Ada" not in text
    for each in told:
        assert set(each) == {"at", "event", *events.EVENTS[each["event"]]}
    computed = [each["what"] for each in told if each["event"] == "computation"]
    assert computed == ["lessons.basics.rank.measure", "training", "adapters.opening.open_adapter", "other", "other"]
    error = next(each for each in told if each["event"] == "error")
    assert error["kind"] == "KeyError" and error["place"].startswith("tests/test_operations.py:")
    assert [each["status"] for each in told if each["event"] == "answer"] == [404]
