"""Challenges: none is passed as it stands, each can be, and the checks agree with another count."""

from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from lora_viz.content.challenges import CHALLENGES, check
from lora_viz.content.goals import judged
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import train
from lora_viz.lessons.walk import lesson
from lora_viz.ui.pages import FOLDER

SOLUTIONS: dict[str, dict[str, object]] = {
    "few": {"rank": 3, "optimizer": "adam", "lr": 0.02},
    "bf16": {"optimizer": "sgd", "lr": 0.001, "alpha": 1.0, "steps": 50},
    "still": {"init": "both_zero"},
    "still_learning": {"frozen": "A", "rank": 24},
    "diverge": {"lr": 0.05, "alpha": 32.0, "scaling_rule": "constant"},
    "rank_one": {"samples": 1},
    "clean": {"rank": 2},
    "high_rank": {"scaling_rule": "rslora", "alpha": 16.0},
}


def solved(key: str) -> Experiment:
    return replace(CHALLENGES[key].default, **SOLUTIONS[key])  # type: ignore[arg-type]


@pytest.mark.parametrize("key", CHALLENGES)
def test_none_is_passed_as_it_stands_and_each_can_be(key: str) -> None:
    challenge = CHALLENGES[key]
    assert not all(condition.holds for condition in check(key, challenge.default))
    assert all(condition.holds for condition in check(key, solved(key)))
    for name, value in SOLUTIONS[key].items():
        assert value in challenge.controls[name], "a solution that nobody can set is none"
    for name, options in challenge.controls.items():
        assert getattr(challenge.default, name) in options
    assert len(challenge.controls) <= 5
    assert lesson(challenge.page).film is not None


@pytest.mark.parametrize("key", CHALLENGES)
def test_every_setting_can_be_trained(key: str) -> None:
    challenge = CHALLENGES[key]
    for name, options in challenge.controls.items():
        for value in (options[0], options[-1]):
            for condition in check(key, replace(challenge.default, **{name: value})):
                assert condition.measured
                assert "nan" not in condition.measured


@pytest.mark.parametrize("key", CHALLENGES)
def test_the_curve_ends_in_its_zone_where_its_condition_holds(key: str) -> None:
    """What is drawn and what is judged are one measurement: the first condition is the zone, but where two count."""
    zoned = {"few": 0, "bf16": 1, "still": 0, "still_learning": 1, "rank_one": 0, "clean": 0, "high_rank": 0}
    for e in (CHALLENGES[key].default, solved(key)):
        conditions, seen = judged(key, e)
        assert conditions == check(key, e)
        assert len(seen.steps) == len(seen.values) and seen.steps[-1] == e.steps
        if key == "diverge":
            assert np.isnan(seen.values[-1]) == conditions[0].holds
            continue
        assert seen.low is not None and seen.high is not None
        assert (seen.low <= seen.values[-1] <= seen.high) == conditions[zoned[key]].holds


def test_half_a_solution_is_none() -> None:
    still = replace(CHALLENGES["still"].default, frozen="A")
    assert [condition.holds for condition in check("still", still)] == [True, False], "kept still is no stillness"
    dead = replace(CHALLENGES["still_learning"].default, init="both_zero")
    assert [condition.holds for condition in check("still_learning", dead)] == [True, False], (
        "still, but nothing learnt"
    )
    hot = replace(CHALLENGES["diverge"].default, lr=0.1, alpha=32.0, scaling_rule="constant")
    assert [condition.holds for condition in check("diverge", hot)] == [True, False]


def test_the_count_and_the_stillness_by_another_route() -> None:
    e = solved("few")
    run = train(Sweep((e,)))
    assert check("few", e)[1].measured == str(run.A[0][0].size + run.B[0][0].size)
    run = train(Sweep((solved("still"),)))
    assert len({step.tobytes() for step in run.A[0]}) == 1
    run = train(Sweep((solved("rank_one"),)))
    last = run.delta_weight()[-1]
    assert np.linalg.matrix_rank(last, rtol=1e-6) == 1


def test_the_page_checks_what_is_set() -> None:
    at = AppTest.from_file(str(FOLDER / "challenges.py"), default_timeout=60)
    at.query_params["challenge"] = "3"
    at.run()
    assert not at.exception and not at.success
    assert any("○" in each.value for each in at.markdown), "a condition that does not hold yet"
    at.button_group(key="init_3").set_value("both_zero").run()
    assert not at.exception
    assert at.success[0].value.startswith("Passed.")
    assert any("1 of 8 challenges passed" in caption.value for caption in at.caption)


@pytest.mark.parametrize("query", [{"challenge": "9"}, {"challenge": "<b>"}, {"challenge": "1", "rank_1": "77"}])
def test_a_bad_link_is_named(query: dict[str, str]) -> None:
    at = AppTest.from_file(str(FOLDER / "challenges.py"), default_timeout=60)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception
    assert len(at.warning) == 1 and "is not possible in this lesson" in at.warning[0].value
