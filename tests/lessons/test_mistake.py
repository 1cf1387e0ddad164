"""Find the mistake: every wrong entry is found and no right one, and nothing is given away before."""

import numpy as np
import pytest

from lora_viz.layer.worked import PRINTED_STEP
from lora_viz.lessons.controls import SettingError
from lora_viz.lessons.parts import Html, Part, Prose
from lora_viz.lessons.start.mistake import LESSON, comparison_html, mistakes, score, start_html, takeaway


def test_every_wrong_entry_is_found_and_no_right_one() -> None:
    counts = {name: int(mistakes(name).wrong.sum()) for name in PRINTED_STEP}
    assert counts == {"∇A": 1, "∇B": 8, "A new": 1, "B new": 8, "W_eff new": 4}
    wrong = {(int(i) + 1, int(j) + 1) for i, j in zip(*np.nonzero(mistakes("W_eff new").wrong), strict=True)}
    assert wrong == {(1, 2), (3, 2), (4, 2), (4, 3)}


def test_losses_of_the_right_and_the_printed_step() -> None:
    record = mistakes("∇A")
    assert record.loss_before == pytest.approx(2.75, abs=1e-12)
    assert record.loss_right == pytest.approx(2.21413629, abs=1e-12)
    assert record.loss_printed == pytest.approx(2.3045, abs=1e-12)
    assert "2.2141" in takeaway(record, LESSON.settings(reveal=True))
    assert "2.3045" in takeaway(record, LESSON.settings(reveal=True))


def test_score_and_reveal() -> None:
    record = mistakes("∇A")
    assert score(record, ((0, 1), (0, 2))).startswith(
        "1 of 8 entries are wrong; you marked 1 of them and 1 that is right"
    )
    assert 'class="found"' in comparison_html(record, suspected=((0, 1),), revealed=True)
    assert 'class="wrong"' in comparison_html(record, revealed=True)
    assert "−0.8" not in comparison_html(record), "nothing is given away before"
    assert "−0.8" in comparison_html(record, revealed=True)
    assert "ΔW" in start_html()


def words(parts: tuple[Part, ...]) -> str:
    return " ".join(p.draw("light") if isinstance(p, Html) else p.text for p in parts if isinstance(p, (Html, Prose)))


def test_it_is_guessed_before_it_is_shown() -> None:
    before = LESSON.play(doubts_grad_A=("1,2", "1,3"))
    assert before.takeaway == "These are the numbers as printed; none of them has been checked yet."
    assert "−0.8" not in words(before.parts("body")) and "entries are wrong" not in words(before.parts("body"))
    after = LESSON.play(doubts_grad_A=("1,2", "1,3"), reveal=True)
    assert "−0.8" in words(after.parts("body")) and "2.2141" in after.takeaway
    assert before.verdict.holds is None and after.verdict.holds  # type: ignore[union-attr]
    assert "**1 of 8 entries are wrong; you marked 1 of them and 1 that is right.**" in words(after.parts("body"))
    assert "(follow?example=printed_rows)" in words(after.parts("extras"))


@pytest.mark.parametrize("name", PRINTED_STEP)
def test_every_entry_can_be_doubted(name: str) -> None:
    (doubts,) = (c for c in LESSON.walk({"matrix": name}) if c.id.startswith("doubts"))
    everything = LESSON.play(matrix=name, reveal=True, **{doubts.id: doubts.options})  # type: ignore[attr-defined]
    total, size = int(everything.record.wrong.sum()), PRINTED_STEP[name].size
    assert f"{total} of {size} entries are wrong; you marked {total} of them" in words(everything.parts("body"))
    with pytest.raises(SettingError, match="=9,9 is not possible in this lesson"):
        LESSON.play(matrix=name, **{doubts.id: ("9,9",)})
