"""``/metrics``: what the server does, in numbers that Prometheus collects. Its package is needed for this page alone.

Who may see it: whoever asks this machine from this machine, where the server hears nobody else. ``METRICS=on`` shows it
to everybody who reaches the server (behind a proxy that keeps it to itself), ``off`` to nobody.

Raises ValueError at the start: METRICS is something else, or on without the package.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from functools import cache, partial
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from streamlit import config

from lora_viz.lessons.lab import RESULTS
from lora_viz.ui.events import Fact, listen

__all__ = ["METRICS", "answer_metrics", "begin", "may_see"]

METRICS = "LORA_PLAYGROUND_METRICS"  # on, off, or not set: to this machine alone
PACKAGE = "prometheus_client"
_FORWARDED = ("x-forwarded-for", "x-forwarded-host", "forwarded", "x-real-ip", "via")
_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def begin() -> None:
    """Count from now on, where somebody may ever see it."""
    if _asked() != "off" and find_spec(PACKAGE) is not None:
        listen(_meters().heard)
    elif _asked() == "on":
        raise ValueError(
            f"{METRICS}=on needs the package prometheus-client. Install it: pip install prometheus-client, or leave "
            f"{METRICS} out."
        )


def may_see(request: Request) -> bool:
    """Whether this request may see how the server is."""
    if (asked := _asked()) != "usual":
        return asked == "on"
    alone = _here(str(config.get_option("server.address") or ""))
    own = _here(urlsplit(f"//{request.headers.get('host', '')}").hostname or "")
    return alone and own and not any(name in request.headers for name in _FORWARDED)


async def answer_metrics(request: Request) -> Response:
    """All of it, as text; to others there is no such address."""
    if find_spec(PACKAGE) is None or not may_see(request):
        return Response(status_code=404)
    from prometheus_client.exposition import choose_encoder

    encode, kind = choose_encoder(request.headers.get("accept", ""))
    return Response(
        encode(_meters().registry), media_type=None, headers={"Content-Type": kind, "Cache-Control": "no-store"}
    )


def _asked() -> str:
    given = os.environ.get(METRICS, "").strip().lower()
    if given not in ("", "on", "off"):
        raise ValueError(f"{METRICS}={given[:40]} is not possible. Valid values: on, off.")
    return given or "usual"


def _here(name: str) -> bool:
    """Whether only this machine is meant by this name."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _count(how: str) -> float:
    return float(getattr(RESULTS.counts(), how))


@cache
def _meters() -> _Meters:
    return _Meters()


class _Meters:
    """The numbers, as the client library keeps them."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary
        from prometheus_client.gc_collector import GCCollector
        from prometheus_client.process_collector import ProcessCollector

        own = self.registry = CollectorRegistry()
        ProcessCollector(registry=own)
        GCCollector(registry=own)
        named = "lora_playground_"
        self.open = Gauge(f"{named}sessions", "Open pages.", registry=own)
        self.sessions = Counter(f"{named}sessions_began", "Pages opened or refused.", ["does"], registry=own)
        self.pages = Summary(f"{named}page_run_seconds", "Runs of a page's script.", ["page"], registry=own)
        self.page_cpu = Counter(f"{named}page_cpu_seconds", "Processor time of its thread.", ["page"], registry=own)
        self.runs = Histogram(f"{named}run_seconds", "Runs of any script.", buckets=_SECONDS, registry=own)
        self.waited = Histogram(
            f"{named}computation_wait_seconds", "From asking until it began.", buckets=_SECONDS, registry=own
        )
        self.ran = Histogram(f"{named}computation_seconds", "Computations.", ["end"], buckets=_SECONDS, registry=own)
        self.compute_cpu = Counter(f"{named}computation_cpu_seconds", "Their processor time.", registry=own)
        self.errors = Counter(f"{named}errors", "Errors that nothing caught, by type.", ["kind"], registry=own)
        self.answers = Counter(f"{named}answers", "Answers by HTTP.", ["kind", "status"], registry=own)
        self.ready = Gauge(f"{named}ready", "Whether the last training of /ready succeeded.", registry=own)
        self.asked = Gauge(f"{named}results_asked", "Results asked for since the start, by how.", ["how"], registry=own)
        for how in ("kept", "joined", "asked", "dropped", "failed"):
            self.asked.labels(how).set_function(partial(_count, how))
        self.now = Gauge(f"{named}computations", "Computations that wait or run.", ["state"], registry=own)
        self.now.labels("queued").set_function(lambda: RESULTS.counts().queued)
        self.now.labels("running").set_function(lambda: RESULTS.counts().running)
        Gauge(f"{named}results_bytes", "Results that are kept.", registry=own).set_function(lambda: RESULTS.bytes)

    def heard(self, event: str, facts: Mapping[str, Fact]) -> None:
        """Count this event."""
        told: Any = facts
        match event:
            case "session":
                self.open.set(told["open"])
                if told["does"] != "closed":
                    self.sessions.labels(told["does"]).inc()
            case "page":
                self.pages.labels(told["page"]).observe(told["seconds"])
                self.page_cpu.labels(told["page"]).inc(told["cpu_seconds"])
                self.runs.observe(told["seconds"])
            case "computation":
                self.ran.labels(told["end"]).observe(told["seconds"])
                if not told["inside"]:
                    self.waited.observe(told["waited"])
                    self.compute_cpu.inc(told["cpu_seconds"])
            case "error":
                self.errors.labels(told["kind"]).inc()
            case "answer":
                self.answers.labels(told["kind"], told["status"]).inc()
            case "readiness":
                self.ready.set(told["ready"])
