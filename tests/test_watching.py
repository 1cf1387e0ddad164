"""Waiting: progress is shown, a result is kept for all, a stop really stops; and the real transformer's live path."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from lora_viz.core.progress import Progress
from lora_viz.networks.word_polarity import WordsRun, adapt_words
from lora_viz.ui.live_words import told
from lora_viz.ui.watching import watch
from tests.long_work import CALLS, work
from tests.tiny_bert import LEXICON, tiny_bert

ROOT = Path(__file__).parent.parent


def page() -> None:
    import streamlit as st

    from lora_viz.ui.watching import watch
    from tests.long_work import work

    name = st.query_params["name"]
    found = watch(name, lambda: work(name), st.container(), name="Something long")
    st.markdown(f"found {found}")


def opened(name: str) -> AppTest:
    at = AppTest.from_function(page, default_timeout=30)
    at.query_params["name"] = name
    return at


def test_a_result_is_computed_once_for_all_visitors() -> None:
    CALLS.clear()
    at = opened("first").run()
    assert at.markdown[0].value == "found first is done"
    assert CALLS == ["first 1", "first 2", "first 3", "first closed"]
    assert not at.button, "what was waited for is there: nothing to stop any more"
    again = opened("first").run()
    assert again.markdown[0].value == "found first is done"
    assert len(CALLS) == 4


def test_a_stop_is_kept_until_one_starts_again() -> None:
    at = opened("second")
    at.session_state["stopped"] = "second"
    CALLS.clear()
    at.run()
    assert at.info[0].value == "Something long: stopped, nothing is kept."
    assert at.markdown[0].value == "found None"
    assert not CALLS
    at.button(key="start_again").click().run()
    assert at.markdown[0].value == "found second is done"


def test_a_script_that_ends_in_between_closes_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    CALLS.clear()

    class Gone(BaseException):
        """What streamlit raises in a script whose visitor asked for something else."""

    def leave(*_: object, **__: object) -> None:
        raise Gone

    monkeypatch.setattr(st.delta_generator.DeltaGenerator, "progress", leave)
    monkeypatch.setattr(st, "progress", lambda *_, **__: st.empty())
    with pytest.raises(Gone):
        watch("third", lambda: work("third"), st.container(), name="Something long")
    assert CALLS == ["third 1", "third closed"]
    from lora_viz.ui.watching import GATE

    assert GATE.acquire(blocking=False), "the gate is free for the next visitor"
    GATE.release()


def test_others_take_turns_between_chunks() -> None:
    from lora_viz.ui.watching import GATE

    free: list[bool] = []

    def look() -> None:
        free.append(GATE.acquire(timeout=5))
        if free[0]:
            GATE.release()

    def slow() -> Iterator[Progress | str]:
        yield Progress(0.5)
        other = threading.Thread(target=look)
        other.start()
        yield Progress(0.9)
        other.join()
        yield "over"

    assert watch("fourth", slow, st.container(), name="Something long") == "over"
    assert free == [True]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("bert"))


def live(folder: Path, **query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "tests" / "live_page.py"), default_timeout=60)
    at.query_params["folder"] = str(folder)
    for key, value in query.items():
        at.query_params[key] = value
    return at.run()


def test_a_visitor_adapts_the_encoders_last_layers(folder: Path) -> None:
    at = live(folder)
    assert not at.exception
    assert "Frozen features" not in " ".join(m.value for m in at.markdown), "nothing runs before it is asked for"
    at.button(key="adapt").click().run()
    assert not at.exception, at.exception[0].value
    said = " ".join(m.value for m in at.markdown)
    assert "Frozen features with a probe read" in said
    assert "| layer 1, query |" in said and "| layer 2, value |" in said and "layer 0" not in said


def test_other_weights_are_refused_on_the_page(folder: Path) -> None:
    at = live(folder, sha256="0" * 64)
    at.button(key="adapt").click().run()
    assert not at.exception
    assert at.error[0].value.startswith("model.safetensors has SHA-256")


def test_the_live_path_learns_and_counts(folder: Path) -> None:
    import hashlib

    sha = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    items = list(adapt_words(folder, LEXICON, rank=3, train=40, test=20, epochs=20, lr=0.02, sha256=sha))
    run = items[-1]
    assert isinstance(run, WordsRun)
    shares = [item.share for item in items[:-1] if isinstance(item, Progress)]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)
    assert run.trainable == 4 * 3 * (12 + 12) + 2 * 12 + 2
    assert len(run.accuracy) == 20 and run.sigma.shape == (4, 3) and (run.sigma > 0).all()
    again = list(adapt_words(folder, LEXICON, rank=3, train=40, test=20, epochs=20, lr=0.02, sha256=sha))[-1]
    assert isinstance(again, WordsRun)
    assert again.accuracy == run.accuracy and (again.sigma == run.sigma).all()
    assert f"with {run.trainable:,} trained numbers" in told(run)
