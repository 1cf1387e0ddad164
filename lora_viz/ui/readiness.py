"""``/ready``: whether this server can do what it is for. It trains one adapter, and says what came of it.

``/_stcore/health`` says only that the process answers. However often it is asked, one training runs at a time and none
sooner than ``EVERY`` seconds after the last one: who asks meanwhile is told what came of that.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import train
from lora_viz.lessons.lab import RESULTS
from lora_viz.ui.events import tell
from lora_viz.ui.limits import OPEN
from lora_viz.ui.metrics import may_see

__all__ = ["EVERY", "Readiness", "answer_ready", "trained"]

EVERY = 5.0  # seconds
LONGEST = 10.0  # seconds that a training of milliseconds may take on a server that is of use
_ONE = Experiment(d_in=11, d_out=7, target_rank=2, rank=2, samples=23, steps=60)


def trained() -> dict[str, Any]:
    """What came of training one adapter, and whether its loss fell."""
    run = train(Sweep((_ONE,)), records=2)
    before, after = float(run.loss[0, 0]), float(run.loss[-1, 0])
    return {"ready": math.isfinite(after) and after < before, "steps": _ONE.steps, "rank": _ONE.rank,
            "loss_before": before, "loss_after": after}  # fmt: skip


class Readiness:
    """Trains for all who ask at once, in a thread of its own, and not in the visitors' queue."""

    def __init__(self, training: Callable[[], dict[str, Any]] = trained, every: float = EVERY) -> None:
        self._train, self._every = training, every
        self._last: asyncio.Task[dict[str, Any]] | None = None
        self._begun = -math.inf

    async def ask(self) -> dict[str, Any]:
        """What came of the last training, or of one that begins now; ``ready`` says whether the server is."""
        now = time.monotonic()
        if self._last is None or (self._last.done() and now - self._begun >= self._every):
            self._begun, self._last = now, asyncio.ensure_future(self._trained())
        try:
            found = await asyncio.wait_for(asyncio.shield(self._last), LONGEST)
        except TimeoutError:
            return {"ready": False, "error": f"The training of one adapter takes longer than {LONGEST:g} s."}
        return {**found, "seconds_ago": round(max(0.0, time.monotonic() - self._begun - found["seconds"]), 1)}

    async def _trained(self) -> dict[str, Any]:
        began = time.monotonic()
        try:
            found = await asyncio.to_thread(self._train)
        except Exception as error:
            found = {"ready": False, "error": f"The training of one adapter ended in {type(error).__name__}."}
        found["seconds"] = round(time.monotonic() - began, 4)
        tell("readiness", ready=bool(found["ready"]), seconds=found["seconds"])
        return found


_readiness = Readiness()


async def answer_ready(request: Request) -> Response:
    """200 where the training succeeded, 503 where not; to who may see the metrics also what the server does now."""
    found = await _readiness.ask()
    if may_see(request):
        found["now"] = {"sessions": OPEN.taken, **RESULTS.counts()._asdict()}
    return JSONResponse(found, 200 if found["ready"] else 503, headers={"Cache-Control": "no-store"})
