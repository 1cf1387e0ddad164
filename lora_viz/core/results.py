"""Results computed once for all who ask: bounded in bytes, fair between visitors, cancelled when nobody waits.

``Results.get_or_compute(key, work)`` is the only cache of the house. ``work`` is given a ``Ticket``: it says there how
far it is, and asks there whether to go on.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from contextvars import Context, copy_context
from time import thread_time
from typing import Any, Literal, NamedTuple, NoReturn, TypeVar, cast

import numpy as np

from lora_viz.core.counts import Counts, End, Heard, Took
from lora_viz.core.host import cores
from lora_viz.core.progress import Progress

__all__ = ["Cancelled", "Results", "Ticket"]

T = TypeVar("T")
_NOTHING = Progress(0.0)


class Cancelled(Exception):
    """Raised by ``Ticket.check`` inside a work for which nobody waits any more."""


class Ticket:
    """What a work is given: its way to say how far it is, and to learn whether it is still wanted."""

    def __init__(self, results: Results, job: _Job, worker: _Worker) -> None:
        self._results, self._job, self._worker = results, job, worker

    def report(self, share: float, said: str = "", preview: Any = None) -> None:
        """Tell all who wait that this share, 0 to 1, is done, maybe with a coarse result; then ``check``."""
        self._results._report(self._job, Progress(min(1.0, max(0.0, share)), said, preview))
        self.check()

    def check(self) -> None:
        """Give way to quick computations where this one is long; raise ``Cancelled`` where nobody waits any more."""
        self._results._check(self._worker)


@dataclasses.dataclass(eq=False, slots=True)
class _Asker:
    """One call of ``get_or_compute`` that has to wait. ``outer`` is the computation that asked, None outside of one."""

    job: _Job
    outer: _Job | None
    progress: Callable[[Progress], None] | None
    every: float
    heard: float  # when its progress was called last, or when it asked
    left: BaseException | None = None  # what its progress raised

    def listener(self) -> _Asker | None:
        """The nearest asker of this thread with a progress of its own: this one, or one whose computation asked."""
        asker: _Asker | None = self
        while asker is not None and asker.progress is None:
            asker = asker.outer.inline if asker.outer is not None else None
        return asker if asker is not None and asker.left is None else None


@dataclasses.dataclass(eq=False, slots=True)
class _Job:
    """One computation of one key. It is dropped, for good, in the moment in which its last asker leaves."""

    key: Hashable
    work: Callable[[Ticket], Any]
    context: Context
    since: float  # when it was first asked for
    askers: set[_Asker] = dataclasses.field(default_factory=set)
    told: Progress = _NOTHING
    begun: bool = False
    ended: bool = False
    dropped: bool = False
    stale: bool = False  # not to be kept: the work saw Cancelled, or everything was cleared meanwhile
    value: Any = None
    error: BaseException | None = None
    inline: _Asker | None = None  # who computes it inside another computation, in that one's thread
    asks: _Asker | None = None  # for what this computation itself waits


@dataclasses.dataclass(eq=False, slots=True)
class _Worker:
    """A thread at work on a computation and on those computed inside it, the innermost last in ``stack``."""

    root: _Job
    pause_left: float
    since: float  # when it began to run, or went on last
    stack: list[_Job] = dataclasses.field(default_factory=list)
    state: Literal["running", "paused", "waiting", "returning"] = "running"
    ran: float = 0.0  # seconds, before ``since``
    runs_until: float = 0.0

    def running_for(self) -> float:
        """Seconds that it has run; pauses and waits do not count."""
        return self.ran + (time.monotonic() - self.since if self.state == "running" else 0.0)

    def stop(self, state: Literal["paused", "waiting"]) -> None:
        self.ran, self.state = self.running_for(), state


class _Kept(NamedTuple):
    value: Any
    bytes: int


class Results:
    """A bounded cache that computes what it lacks in threads of its own, each key once however many ask.

    Kept are the results used last, up to ``most_bytes``; one that is larger alone is returned and not kept. NumPy
    arrays inside a result are made read-only, since everybody is given the same object. Errors are not kept.

    Who runs when. At most ``lanes`` computations run that are not long; a computation is long once it has run for
    ``patience`` seconds, and from then on the next may start beside it, up to ``lanes + 3`` that run at once. At its
    checks and reports a long one pauses while others are queued or run that are not long. Its pauses are bounded: after
    ``pause`` seconds of them it runs beside the others for ``patience`` seconds before it pauses again. A computation
    that pauses, or waits for another one, holds no lane; to go on it needs one, and has it before those in the queue.
    The queue serves visitors in turns, one computation each; a computation that several visitors ask for stands in the
    line of each. One that is cancelled ends at its next check without waiting for a lane; one that never checks runs to
    its end and holds its place so long, and what it returns is kept.

    No lock is held while a work or a progress runs or a result is freed.
    """

    def __init__(
        self, *, most_bytes: int = 256 << 20, lanes: int | None = None, patience: float = 0.25, pause: float = 1.0
    ) -> None:
        """``lanes`` is by default half of the cores there are, at least 1: a training uses more than one."""
        self.most_bytes, self.patience, self.pause = most_bytes, patience, pause
        self.lanes = max(1, cores() // 2) if lanes is None else lanes
        self._most_running = self.lanes + 3
        self._changed = threading.Condition(threading.Lock())  # guards all below; told when anything but progress moves
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._bytes = 0
        self._jobs: dict[Hashable, _Job] = {}
        self._lines: OrderedDict[Hashable, dict[_Job, None]] = OrderedDict()  # not begun, by visitor; no line is empty
        self._served: Hashable = object()  # the visitor whose computation began last
        self._workers: set[_Worker] = set()
        self._here = threading.local()
        self._tally = dict.fromkeys(("kept", "joined", "asked", "computed", "failed", "dropped"), 0)
        self.heard: Heard | None = None  # called once for each computation that has ended, in whichever thread it did

    def counts(self) -> Counts:
        """What became of all that was asked for, and what there is now."""
        with self._changed:
            queued = len({job for line in self._lines.values() for job in line})
            return Counts(**self._tally, queued=queued, running=len(self._workers), bytes=self._bytes)

    @property
    def bytes(self) -> int:
        """The size of what is kept."""
        return self._bytes

    def known(self, key: Hashable) -> bool:
        """Whether this result is kept: asking for it costs nothing."""
        with self._changed:
            return key in self._kept

    def clear(self) -> None:
        """Forget what is kept. Who waits now still gets a result; whoever asks from now on starts anew."""
        with self._changed:
            gone, self._kept, self._bytes = self._kept, OrderedDict(), 0
            for job in self._jobs.values():
                job.stale = True
            self._jobs = {}
        del gone  # here, where no lock is held

    def get_or_compute(
        self,
        key: Hashable,
        work: Callable[[Ticket], T],
        *,
        visitor: Hashable = None,
        progress: Callable[[Progress], None] | None = None,
        every: float = 0.1,
    ) -> T:
        """The result of this key: the kept one, the one that is being computed, or what ``work(ticket)`` returns.

        The work runs in a thread of the Results, in a copy of the context of whoever asked first, and goes on as long
        as somebody waits. ``progress`` is called in the asker's own thread every ``every`` seconds, whether there is
        news or not; what it raises is raised here, and this asker waits no longer.

        A work may itself ask for other keys. They are computed in its thread, or waited for if a thread has begun them
        already. What they report is told to those who wait for the outer one, as it is; an inner call with a
        ``progress`` of its own hears it instead and may report a share of the whole. Such a call is also a check.

        Raises what the work raises, in every asker; RuntimeError if a key asks for itself.
        """
        hash((key, visitor))  # what is refused is refused before anything changes
        worker: _Worker | None = getattr(self._here, "worker", None)
        outer: _Job | None = None
        if worker is not None:
            self._check(worker)
            outer = worker.stack[-1]
        with self._changed:
            if key in self._kept:
                self._kept.move_to_end(key)
                self._tally["kept"] += 1
                return cast(T, self._kept[key].value)
            job = self._jobs.get(key)
            self._tally["asked" if job is None else "joined"] += 1
            if job is None:
                job = self._jobs[key] = _Job(key, work, copy_context(), time.monotonic())
            elif worker is not None:
                _refuse_a_circle(job, worker)
            asker = _Asker(job, outer, progress, every, time.monotonic())
            job.askers.add(asker)
            inline = outer is not None and not job.begun
            if outer is not None:
                outer.asks = asker
            if inline:
                job.inline = asker
                self._take(job)
            elif not job.begun:
                self._lines.setdefault(visitor, {})[job] = None
        try:
            if inline and worker is not None:
                self._compute(job, worker)
            else:
                self._wait(asker, worker)
        finally:
            with self._changed:
                self._leave(asker)
                if outer is not None:
                    outer.asks = None
        if asker.left is not None:
            raise asker.left
        if outer is not None and outer.dropped:
            _refuse(outer)
        if job.error is not None:
            raise job.error
        return cast(T, job.value)

    # What follows says of the lock: "locked" needs it held; all else takes it where needed.

    def _wait(self, asker: _Asker, worker: _Worker | None) -> None:
        """Wait until the computation has ended, this asker has left, or nobody waits for what this asker computes."""
        if worker is not None:
            with self._changed:
                worker.stop("waiting")
                self._changed.notify_all()
        try:
            while True:
                self._start()
                with self._changed:
                    if _over(asker):
                        return
                    self._changed.wait(self._delay(asker))
                    if _over(asker):
                        return
                self._tell(asker)
        finally:
            if worker is not None:
                self._resume(worker)

    def _delay(self, asker: _Asker) -> float | None:
        """Locked: seconds until this thread has something to do by itself; None: never."""
        delays = [] if asker.job.begun else [self._ageing()]
        listener = asker.listener()
        if listener is not None:
            delays.append(listener.heard + listener.every - time.monotonic())
        delay = _soonest(*delays)
        return delay if delay is None else max(delay, 0.001)  # a thread that never sleeps would take the work's time

    def _ageing(self) -> float | None:
        """Locked: seconds until the next running computation is long; None: all are."""
        return _soonest(
            *(self.patience - w.running_for() for w in self._workers if w.state == "running" and self._young(w))
        )

    def _tell(self, asker: _Asker) -> None:
        """Call the progress that this thread has for this asker, if it is time. If it raises, its asker leaves."""
        listener = asker.listener()
        if listener is None or listener.progress is None:
            return
        now = time.monotonic()
        if now < listener.heard + listener.every:
            return
        listener.heard = now
        try:
            listener.progress(listener.job.told)
        except BaseException as error:
            listener.left = error
            with self._changed:
                self._leave(listener)

    def _leave(self, asker: _Asker | None) -> None:
        """Locked: this asker waits no longer. What nobody waits for is dropped and its key free, all in this step."""
        while asker is not None:
            job = asker.job
            job.askers.discard(asker)
            if job.askers or job.ended or job.dropped:
                return
            job.dropped = True
            if self._jobs.get(job.key) is job:
                del self._jobs[job.key]
            if not job.begun:
                self._take(job)
                self._tally["dropped"] += 1
            self._changed.notify_all()
            asker = job.asks

    def _take(self, job: _Job) -> None:
        """Locked: out of the queue."""
        job.begun = True
        for visitor, line in list(self._lines.items()):
            line.pop(job, None)
            if not line:
                del self._lines[visitor]

    def _start(self) -> None:
        """Start what may start."""
        with self._changed:
            worker = self._next()
        while worker is not None:
            try:
                threading.Thread(target=self._serve, args=(worker,), name="results", daemon=True).start()
            except RuntimeError as error:  # the machine has no thread left
                self._end(worker.root, None, 0, error)
                worker = self._dismiss(worker)
            else:
                with self._changed:
                    worker = self._next()

    def _next(self) -> _Worker | None:
        """Locked: a worker for the computation whose turn it is, if a lane is free."""
        claims = [w for w in self._workers if w.state in ("running", "returning")]
        if not self._lines or len(claims) >= self._most_running or sum(map(self._young, claims)) >= self.lanes:
            return None
        if len(self._lines) > 1 and next(iter(self._lines)) == self._served:
            self._lines.move_to_end(self._served)
        self._served, line = next(iter(self._lines.items()))
        self._lines.move_to_end(self._served)
        worker = _Worker(next(iter(line)), self.pause, time.monotonic())
        self._take(worker.root)
        self._workers.add(worker)
        return worker

    def _serve(self, worker: _Worker | None) -> None:
        """A thread's life: one computation after the other, while there are any."""
        while worker is not None:
            self._here.worker = worker
            self._compute(worker.root, worker)
            worker = self._dismiss(worker)
            self._start()

    def _dismiss(self, worker: _Worker) -> _Worker | None:
        """The worker that follows this one in its thread."""
        with self._changed:
            self._workers.discard(worker)
            self._changed.notify_all()
            return self._next()

    def _compute(self, job: _Job, worker: _Worker) -> None:
        """Do the work, here and now."""
        value, size, error = None, 0, None
        begun, cpu = time.monotonic(), thread_time()
        worker.stack.append(job)
        try:
            value = job.context.run(job.work, Ticket(self, job, worker))
            size = _made_read_only(value)
        except BaseException as raised:
            error = raised
        finally:
            worker.stack.pop()
        end = self._end(job, value, size, error)
        if self.heard is not None:
            ran, took = time.monotonic() - begun, thread_time() - cpu
            self.heard(Took(job.key, end, begun - job.since, ran, took, bool(worker.stack)))

    def _end(self, job: _Job, value: Any, size: int, error: BaseException | None) -> End:
        """Hand over what came of it, and keep a result."""
        gone: list[_Kept] = []
        end: End = "computed" if error is None else "dropped" if isinstance(error, Cancelled) else "failed"
        with self._changed:
            self._tally[end] += 1
            job.value, job.error, job.ended = value, error, True
            wanted = self._jobs.get(job.key, job) is job  # else it was dropped, and somebody has asked anew
            if error is None and wanted and not job.stale and job.key not in self._kept and size <= self.most_bytes:
                self._kept[job.key] = _Kept(value, size)
                self._bytes += size
                while self._bytes > self.most_bytes:
                    gone.append(self._kept.popitem(last=False)[1])
                    self._bytes -= gone[-1].bytes
            if wanted:
                self._jobs.pop(job.key, None)
            self._changed.notify_all()
        return end

    def _report(self, job: _Job, progress: Progress) -> None:
        """Note it for whoever waits, also over other computations; in this thread it is told at once."""
        with self._changed:
            jobs = [job]
            while jobs:
                told = jobs.pop()
                told.told = progress
                jobs += [a.outer for a in told.askers if a.outer is not None and a.progress is None]
        if job.inline is not None and getattr(self._here, "worker", None) is not None:
            self._tell(job.inline)

    def _check(self, worker: _Worker) -> None:
        """Refuse to go on, or give way. The innermost computation of the thread decides: the outer ones need it."""
        if worker.stack and worker.stack[-1].dropped:
            _refuse(worker.stack[-1])
        if (
            getattr(self._here, "worker", None) is worker
            and worker.state == "running"
            and not self._young(worker)
            and time.monotonic() >= worker.runs_until
        ):
            self._give_way(worker)

    def _give_way(self, worker: _Worker) -> None:
        """Pause as the class says."""
        top = worker.stack[-1]
        with self._changed:
            if not self._quick():
                return
            worker.stop("paused")
            self._changed.notify_all()
        began = time.monotonic()
        self._start()
        with self._changed:
            while not top.dropped and self._quick():
                left = began + worker.pause_left - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(_soonest(left, self._ageing()))
        worker.pause_left -= time.monotonic() - began
        self._resume(worker)
        if worker.pause_left <= 0:
            worker.pause_left, worker.runs_until = self.pause, time.monotonic() + self.patience
        if top.dropped:
            _refuse(top)

    def _resume(self, worker: _Worker) -> None:
        """Run again, as soon as a lane is free; at once where it is only to hear that nobody waits."""
        with self._changed:
            worker.state = "returning"
            while not worker.stack[-1].dropped:
                running = [w for w in self._workers if w.state == "running"]
                crowded = self._young(worker) and sum(map(self._young, running)) >= self.lanes
                if len(running) < self._most_running and not crowded:
                    break
                self._changed.wait(self._ageing())
            worker.state, worker.since = "running", time.monotonic()

    def _young(self, worker: _Worker) -> bool:
        """Whether it is not long, or not yet."""
        return worker.running_for() < self.patience

    def _quick(self) -> bool:
        """Locked: whether there are others to whom a long one gives way."""
        claims = (w for w in self._workers if w.state in ("running", "returning"))
        return bool(self._lines) or any(map(self._young, claims))


def _over(asker: _Asker) -> bool:
    return asker.job.ended or asker.left is not None or (asker.outer is not None and asker.outer.dropped)


def _refuse(job: _Job) -> NoReturn:
    job.stale = True  # a work that catches this may return half a result
    raise Cancelled(job.key)


def _refuse_a_circle(job: _Job, worker: _Worker) -> None:
    """Raise RuntimeError if this computation waits, over however many others, for what this thread computes."""
    link: _Job | None = job
    while link is not None:
        if link in worker.stack:
            raise RuntimeError(f"the result {job.key!r} asks for itself")
        link = link.asks.job if link.asks is not None else None


def _soonest(*delays: float | None) -> float | None:
    """The least of these seconds; None counts as never."""
    return min((min(d, threading.TIMEOUT_MAX) for d in delays if d is not None), default=None)


def _made_read_only(value: Any) -> int:
    """The bytes of a result. Every NumPy array in its tuples, lists, sets, mappings and dataclasses is made read-only.

    A view counts with the memory that it keeps alive, and no memory counts twice.
    """
    size = 0
    seen: dict[int, Any] = {}  # by identity; held, so that no other object takes the same one
    memory: dict[int, np.ndarray] = {}
    left = [value]
    while left:
        item = left.pop()
        if id(item) in seen:
            continue
        seen[id(item)] = item
        if isinstance(item, np.ndarray):
            item.flags.writeable = False
            if item.dtype.hasobject:
                left += item.ravel().tolist()
            while isinstance(item.base, np.ndarray):
                item = item.base
            memory[id(item)] = item
            continue
        size += sys.getsizeof(item, 0)
        if isinstance(item, Mapping):
            left += [*item.keys(), *item.values()]
        elif isinstance(item, tuple | list | set | frozenset):
            left += item
        elif dataclasses.is_dataclass(item) and not isinstance(item, type):
            left += [getattr(item, field.name, None) for field in dataclasses.fields(item)]
    return size + sum(array.nbytes for array in memory.values())
