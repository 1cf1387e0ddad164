"""The quiz: every answer by another route than the core's, and no wrong choice that is right."""

from fractions import Fraction
from math import comb, log, sqrt

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from lora_viz.content.quiz import QUESTIONS, answer
from lora_viz.core.experiment import Experiment
from lora_viz.layer.lora import LoRALinear
from lora_viz.layer.tasks import make_task
from lora_viz.lessons.walk import lessons, now_at, sections
from lora_viz.ui.pages import FOLDER

# What must come out, by mathematics or by a count that the core has no part in.
EXPECTED = {
    "lost": "1",
    "floor": "0.707",
    "start": "0",
    "both_zero": "1",
    "sample": "1",
    "rule": "α/√r",
    "count": "131,072",
    "even": "2048",
    "knob": f"{sqrt(1 - 8 / 64):.3f}",
    "sum": "6",
    "effective": "4",
    "base": "yes, but it is not computed",
}


@pytest.mark.parametrize("key", QUESTIONS)
@pytest.mark.parametrize("seed", [0, 7])
def test_every_answer_is_what_another_route_says(key: str, seed: int) -> None:
    asked = answer(key, seed)
    assert len(set(asked.choices)) == len(asked.choices) >= 3, "choices that are printed alike are no choices"
    if key in EXPECTED:
        assert asked.choices[asked.right] == EXPECTED[key]
    else:
        assert 70 <= float(asked.choices[asked.right]) <= 90


def test_autograd_agrees_on_the_gradients() -> None:
    """The base weight's gradient exists if one asks for it; A's is exactly 0."""
    e = Experiment(d_in=7, d_out=5, rank=3, target_rank=2, samples=11)
    task = make_task(e)
    layer = LoRALinear.from_experiment(e, task.base_weight)
    weight = torch.tensor(task.base_weight, requires_grad=True)
    x = torch.tensor(task.inputs)
    target = torch.tensor(task.residuals) + x @ weight.detach().T
    y = x @ weight.T + e.scaling * (x @ layer.lora_A.T) @ layer.lora_B.T
    (0.5 * ((y - target) ** 2).sum()).backward()
    assert layer.lora_A.grad is not None and layer.lora_B.grad is not None and weight.grad is not None
    assert not layer.lora_A.grad.any()
    assert layer.lora_B.grad.any() and weight.grad.any()


def test_bf16_by_rounding_each_weight_by_hand() -> None:
    """Gaussian weights, an update of a thousandth: the share that numpy's own cut to 8 bits leaves as it is."""
    rng = np.random.default_rng(3)
    weight, update = rng.standard_normal((2, 200_000))
    share = np.mean(cut(cut(weight) + 1e-3 * update) == cut(weight))
    asked = answer("bf16")
    assert abs(float(asked.choices[asked.right]) / 100 - share) < 0.05


def cut(values: np.ndarray) -> np.ndarray:
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa * 256) / 256, exponent)


def test_counts_and_entropy_in_exact_numbers() -> None:
    assert Fraction(4096 * 4096, 4096 + 4096) == 2048
    assert sum(1 for _ in range(16) for _ in range(4096)) * 2 == 131_072
    assert np.exp(-sum(0.25 * log(0.25) for _ in range(4))) == pytest.approx(4)
    assert comb(4, 2) / comb(4, 1) == 1.5  # of four equal directions any two hold half the energy
    assert sqrt(Fraction(2, 4)) == pytest.approx(float(EXPECTED["floor"]), abs=5e-4)


def test_each_question_leads_to_a_page_and_each_lesson_has_one() -> None:
    pages = {each.id for each in lessons()}
    shown = {now_at(question.page).partition("?")[0] for question in QUESTIONS.values()}
    assert shown <= pages
    assert {each.id for each in sections()["basics"][1]} <= shown
    for question in QUESTIONS.values():
        assert question.text.endswith("?")
        assert question.why.endswith(".")


@pytest.mark.parametrize("key", QUESTIONS)
def test_the_page_it_leads_to_takes_its_settings(key: str) -> None:
    name, _, query = now_at(QUESTIONS[key].page).partition("?")
    at = AppTest.from_file(str(FOLDER / f"{name}.py"), default_timeout=60)
    for pair in filter(None, query.split("&")):
        setting, _, value = pair.partition("=")
        at.query_params[setting] = value
    at.run()
    assert not at.exception
    assert not at.warning


def opened(**query: str) -> AppTest:
    at = AppTest.from_file(str(FOLDER / "quiz.py"), default_timeout=60)
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception
    return at


def words(at: AppTest) -> str:
    return " ".join(element.value for element in (*at.markdown, *at.success, *at.info, *at.caption))


def test_nothing_is_told_before_an_answer_and_all_after_it() -> None:
    at = opened(question=str(list(QUESTIONS).index("knob") + 1))
    asked = answer("knob")
    assert asked.told not in words(at)
    wrong = next(choice for i, choice in enumerate(asked.choices) if i != asked.right)
    at.radio[0].set_value(wrong).run()
    assert asked.told in words(at) and QUESTIONS["knob"].why in words(at)
    assert not at.success and f"You said {wrong}" in at.info[0].value
    at.radio[0].set_value(asked.choices[asked.right]).run()
    assert at.success
    assert "](what_low_rank_is_not?part=few_numbers&at=8)" in words(at)


def test_the_next_question_comes_and_the_score_stays() -> None:
    at = opened()
    asked = answer(next(iter(QUESTIONS)))
    at.radio[0].set_value(asked.choices[asked.right]).run()
    at.button(key="next_question").click().run()
    assert not at.exception
    assert at.radio[0].value is None
    assert "1 of 1 answered" in words(at)


def test_a_question_that_is_none_is_named() -> None:
    at = opened(question="<script>")
    assert at.warning[0].value.startswith("`question=<script>` is not possible in this lesson")
