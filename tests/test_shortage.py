"""No memory left: one sentence in place of the picture, and the next visitor finds the server as it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from lora_viz.core.results import Results
from lora_viz.core.shortage import OutOfMemory
from lora_viz.lessons.lab import Lab
from lora_viz.ui import page

PAGES = Path(__file__).parent.parent / "pages"


def too_much(kind: str) -> Any:
    """More than any machine has, asked for in the ways that a library asks."""
    if kind == "numpy":
        return np.empty(2**58)
    if kind == "torch":
        return torch.empty(2**58)
    return bytes(2**62)


@pytest.mark.parametrize("kind", ["numpy", "torch", "bytes"])
def test_every_library_s_word_for_it_is_one_sentence(kind: str) -> None:
    lab = Lab(Results())
    with pytest.raises(OutOfMemory, match=r"^This takes more memory than the server has now: [^.]*\.$"):
        lab.compute(too_much, kind)
    assert lab.compute(abs, -3) == 3


def test_another_error_stays_what_it_is() -> None:
    def fails() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        Lab(Results()).compute(fails)


def test_a_page_without_memory_says_it_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def starved(*_: Any, **__: Any) -> Any:
        raise OutOfMemory("This takes more memory.")

    at = AppTest.from_file(str(PAGES / "rank.py"), default_timeout=60)
    with monkeypatch.context() as patch:
        patch.setattr(page, "waited_for", starved)
        at.run()
    assert not at.exception and [error.value for error in at.error] == ["This takes more memory."]
    at.run()
    assert not at.exception and not at.error
