"""One torch thread while something trains, and afterwards the number that was set before.

A second thread costs more than it brings at these sizes, and 20 to 45 times more when several trainings run at once.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import torch

__all__ = ["each_step_in_one_thread", "one_thread"]

P = ParamSpec("P")
T = TypeVar("T")

_lock = threading.Lock()
_inside = threading.local()  # .yes: this thread of Python is in such a block
_training, _before = 0, 1  # how many threads of Python are inside, and what the first of them found


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread for the code inside; as a context manager or a decorator, nested or from many threads at once.

    Torch keeps the number for each thread of Python, and the last one set is what a fresh thread begins with. So each
    thread puts back its own; one that began while others trained puts back what the first of those had found.
    """
    global _training, _before
    if getattr(_inside, "yes", False):
        yield
        return
    with _lock:
        own = torch.get_num_threads()
        if not _training:
            _before = own
        elif own == 1:
            own = _before
        _training += 1
        torch.set_num_threads(1)
    _inside.yes = True
    try:
        yield
    finally:
        _inside.yes = False
        with _lock:
            _training -= 1
            torch.set_num_threads(own)


def each_step_in_one_thread(generator: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """A decorator for generators: one torch thread while a step runs, not while whoever asked looks at its result."""

    @functools.wraps(generator)
    def stepped(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        steps = generator(*args, **kwargs)
        while True:
            with one_thread():
                try:
                    item = next(steps)
                except StopIteration:
                    return
            yield item

    return stepped
