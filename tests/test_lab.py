"""The lab: what is trained is trained once for all who wait, in the asker's language, and stops when nobody waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.progress import Progress
from lora_viz.core.results import Results
from lora_viz.i18n.language import language, speak
from lora_viz.lessons import lab as labs
from lora_viz.lessons.lab import Lab
from tests.small import SMALL


class Left(Exception):
    """The visitor has gone."""


def spoken() -> str:
    return language()


def chunks(name: str) -> Iterator[Progress | str]:
    for k in range(3):
        yield Progress(k / 3, f"chunk {k}")
    yield f"{name} is done"


def test_twenty_visitors_who_open_one_lesson_train_once(monkeypatch: pytest.MonkeyPatch) -> None:
    results, trained, here = Results(), [], threading.Barrier(20)
    real = labs.train

    def counted(sweep: Sweep, *given: object, **more: object) -> object:
        trained.append(sweep)
        return real(sweep, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(labs, "train", counted)
    runs = []

    def visit(visitor: int) -> None:
        here.wait()
        runs.append(Lab(results, visitor=visitor).train(Sweep((SMALL,))))

    threads = [threading.Thread(target=visit, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(trained) == 1 and len(runs) == 20 and all(run is runs[0] for run in runs)


def test_a_training_stops_when_its_only_visitor_has_gone() -> None:
    """By itself, between two steps: the work of twenty thousand steps is not done."""
    results, long = Results(patience=0.0), replace(SMALL, steps=20_000)

    def leave(_: Progress) -> None:
        raise Left

    lab = Lab(results, progress=leave)
    with pytest.raises(Left):
        lab.train(Sweep((long,)))
    assert not results.known(("run", Sweep((long,)), "cpu", 161, ()))


def test_what_is_computed_is_said_in_the_language_of_who_asks() -> None:
    results = Results()
    with speak("de"):
        assert Lab(results).compute(spoken) == "de"
    assert Lab(results).compute(spoken) == "en"


def test_chunks_are_followed_to_their_end_and_heard() -> None:
    heard: list[Progress] = []
    assert Lab(Results(), progress=heard.append).follow(chunks, "it") == "it is done"


def test_a_run_in_the_lab_is_the_engines(small: Experiment) -> None:
    assert Lab(Results()).train(Sweep((small,))).loss[-1, 0] == labs.train(Sweep((small,))).loss[-1, 0]
