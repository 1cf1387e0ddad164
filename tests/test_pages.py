"""The pages on the screen: each runs, obeys its controls, survives any link; what is said follows the settings."""

import re
from typing import Any

import pytest
from streamlit.runtime.state.query_params import QueryParams
from streamlit.testing.v1 import AppTest

from lora_viz.lessons.controls import Several
from lora_viz.lessons.statements import Verdict
from lora_viz.lessons.walk import lesson, lessons, measured
from lora_viz.ui.pages import FOLDER
from tests.small import SLOW

ROOT = FOLDER.parent
SEEDED = [each.id for each in measured() if each.seeded and each.film is not None]
# One of every kind of lesson: trained, a map, a network, files, texts, tables, a quiz, challenges.
KINDS = ("rank", "phase_map", "digits", "inspector", "follow", "transformer", "quiz", "challenges", "glossary")


# Modules and parameters of other software, which are called so everywhere.
KNOWN_BY_THEIR_IDS = {
    option
    for each in lessons()
    for control in each.walk({c.id: c.usual(each.default) for c in each.controls if not callable(c)})
    if isinstance(control, Several)
    for option in control.options
}


def opened(name: str, **query: str) -> AppTest:
    at = AppTest.from_file(str(FOLDER / f"{name}.py"), default_timeout=60)
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception, at.exception[0].value
    return at


def words(at: AppTest) -> str:
    """All text, without the links into the glossary."""
    return re.sub(
        r"\[([^]]*)\]\(glossary[^)#]*#[a-z0-9-]*\)", r"\1", " ".join(element.value for element in at.markdown)
    )


def widget(at: AppTest, key: str) -> Any:
    return next(w for group in (at.button_group, at.select_slider, at.number_input) for w in group if w.key == key)


def judged(name: str, **link: str) -> Verdict:
    """Whether the lesson's claim holds at these settings."""
    verdict = lesson(name).read(link).verdict
    assert verdict is not None
    return verdict


def said(name: str, **link: str) -> str:
    """What the lesson says at these settings."""
    played = lesson(name).read(link)
    return f"{played.takeaway} {played.detail} {played.maths}"


@pytest.mark.parametrize("name", [each.id for each in lessons()])
def test_every_page_runs_alone(name: str) -> None:
    at = opened(name)
    assert at.title[0].value.endswith("?"), "the title is the question"
    assert "What you saw." in words(at)
    assert "nan" not in words(at).split()
    players = [each for each in at.get("bidi_component") if each.proto.component_name == "lora_player"]
    moving = name in ("start", "choosing", "follow", "challenges")  # beside other parts
    assert len(players) == (moving or lesson(name).film is not None), "one player, one playhead"
    assert not at.warning and not at.error
    for pills in at.button_group:
        assert not any("_" in option and option not in KNOWN_BY_THEIR_IDS for option in pills.options), "names, no ids"
        assert len(set(pills.options)) == len(pills.options)


@pytest.mark.parametrize("name", [name for name in SEEDED if name not in SLOW])
def test_another_seed_is_another_run(name: str) -> None:
    assert lesson(name).play(seed=7).film.to_bytes() != lesson(name).play().film.to_bytes()  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["rank", "truncated_svd", "machine"])
def test_new_seed_is_its_own_button(name: str) -> None:
    at = opened(name)
    before = words(at)
    at.button(key="new_seed").click().run()
    assert not at.exception
    assert widget(at, "seed").value == 1
    assert words(at) != before


@pytest.mark.parametrize(
    ("name", "query", "sentence"),
    [
        (
            "bottleneck",
            {"rank": "99"},
            "rank=99 is not possible in this lesson. Valid values: 1, 2, 3. Showing 2 instead.",
        ),
        ("bottleneck", {"rank": "3", "d_in": "2"}, "rank=3 does not go with a layer of 2×2. Showing rank=2 instead."),
        ("bottleneck", {"d_in": "7"}, "d_in=7 is not possible in this lesson. Valid values: 2, 3. Showing 3 instead."),
        (
            "rank",
            {"noise": "nan"},
            "noise=nan is not possible in this lesson. Valid values: 0 to 2. Showing 1 instead.",
        ),
        (
            "rank",
            {"target_rank": "x"},
            "target_rank=x is not possible in this lesson. Valid values: 1 to 16. Showing 4 instead.",
        ),
        (
            "gradient_flow",
            {"init": "magic"},
            "init=magic is not possible in this lesson. Valid values: B_zero, A_zero,",
        ),
        ("gradient_flow", {"lr": "1e999"}, "lr=1e999 is not possible in this lesson. Valid values: 0.001 to 5."),
        (
            "gradient_flow",
            {"lr": "50"},
            "lr=50 is not possible in this lesson. Valid values: 0.001 to 5. Showing 0.02 instead.",
        ),
        (
            "gradient_flow",
            {"seed": "-1"},
            "seed=-1 is not possible in this lesson. Valid values: 0 to 9999. Showing 0 instead.",
        ),
        (
            "merge",
            {"weights_dtype": "int4"},
            "weights_dtype=int4 is not possible in this lesson. Valid values: float64,",
        ),
        ("merge", {"rank": "<script>alert(1)</script>"}, "`rank=<script>alert(1)</script>` is not possible in this"),
        ("matrix", {"matrix": "rank_9"}, "matrix=rank_9 is not possible in this lesson. Valid values: rank_1, rank_2,"),
        ("gauge", {"rank": "1"}, "rank=1 is not possible in this lesson. Valid values: 2 to 6. Showing 3 instead."),
        (
            "cost",
            {"part": "storage", "layer_shape": "9×9"},
            "layer_shape=9×9 is not possible in this lesson. Valid values: 41×31, 64×64,",
        ),
        (
            "truncated_svd",
            {"part": "denoise", "noise": "-1"},
            "noise=-1 is not possible in this lesson. Valid values: 0 to 2. Showing 0.3 instead.",
        ),
        (
            "autoencoder",
            {"centred": "maybe"},
            "centred=maybe is not possible in this lesson. Valid values: centred, not",
        ),
        (
            "phase_map",
            {"map_row": "up"},
            "map_row=up is not possible in this lesson. Valid values: 0 to 99. Showing 45 instead.",
        ),
        ("phase_map", {"map_row": "nan"}, "map_row=nan is not possible in this lesson. Valid values: 0 to 99."),
        (
            "digits",
            {"change": "mirrored"},
            "change=mirrored is not possible in this lesson. Valid values: rotated, relabelled",
        ),
        (
            "digits",
            {"lr": "7"},
            "lr=7 is not possible in this lesson. Valid values: 0.002 to 0.02. Showing 0.01 instead.",
        ),
        (
            "quantised",
            {"part": "requantised", "weight_format": "int3"},
            "weight_format=int3 is not possible in this lesson. Valid",
        ),
        (
            "many_adapters",
            {"rank": "64"},
            "rank=64 is not possible in this lesson. Valid values: 1 to 8. Showing 3 instead.",
        ),
        ("machine", {"rank": "8"}, "rank=8 is not possible in this lesson. Valid values: 1 to 4. Showing 2 instead."),
    ],
)
def test_a_bad_url_opens_with_one_sentence(name: str, query: dict[str, str], sentence: str) -> None:
    at = opened(name, **query)
    assert len(at.warning) == 1
    assert at.warning[0].value.startswith(sentence)
    assert "What you saw." in words(at)


@pytest.mark.parametrize("name", KINDS)
def test_a_hostile_link_opens_with_defaults_and_a_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, told = words(opened(name)), list[str]()
    monkeypatch.setattr(QueryParams, "_send_query_param_msg", lambda self: told.append("the browser"))
    query = {"<script>alert(1)</script>": "1", **{f"x{i}": "y" * 50 for i in range(200)}}
    at = opened(name, **query)
    assert [w.value for w in at.warning] == [
        "`<script>alert(1)</script>` and 200 more in the link are not settings of this lesson: they are left out."
    ]
    assert words(at) == usual
    assert len(told) < 5, "the link is written anew at once, not once for each of its names"


def without_related(at: AppTest) -> str:
    """What is said on the page; a link with chosen controls leads nowhere else."""
    assert "Where to go from here" in words(at)
    return words(at).replace(" **Where to go from here**", "")


def test_a_lesson_link_leaves_only_its_controls() -> None:
    at = opened("rank", controls="noise,seed", target_rank="5", noise="0.3")
    keys = {w.key for w in (*at.button_group, *at.select_slider, *at.number_input)}
    assert keys == {"noise", "seed"}
    assert not at.warning
    assert words(at) == without_related(opened("rank", target_rank="5", noise="0.3")), "a hidden control still counts"
    at.select_slider(key="noise").set_value(0.0).run()
    assert words(at) == without_related(opened("rank", target_rank="5", noise="0"))
    bare = opened("rank", controls="none", seed="3")
    assert not (*bare.button_group, *bare.select_slider, *bare.number_input)
    assert "More" not in [expander.label for expander in bare.expander]
    assert words(bare) == without_related(opened("rank", seed="3")), "a read-out never goes with a control"
    wrong = opened("rank", controls="noise,magic")
    assert wrong.warning[0].value.startswith(
        "controls=magic is not a control of this lesson. Valid values: none, alpha,"
    )


@pytest.mark.parametrize("given", ["x", "nan", "1e999", "<script>"])
def test_a_playhead_that_is_no_number_is_said(given: str) -> None:
    at = opened("gradient_flow", at=given)
    shown = f"`{given}`" if given == "<script>" else given  # words that could be obeyed stand as code
    assert [w.value for w in at.warning] == [f"at={shown} is not a place on the axis. Valid values: 0 to 200."]


def test_a_link_may_ask_for_a_number_between_the_marks() -> None:
    at = opened("rank", noise="0.70", target_rank="5")
    assert not at.warning
    assert widget(at, "noise").value == 0.7
    assert "rank 5 was put" not in words(at)
    at.run()
    assert widget(at, "target_rank").value == 5


def test_a_url_decides_the_picture() -> None:
    assert words(opened("gradient_flow", seed="3")) == words(opened("gradient_flow", seed="3"))
    assert words(opened("gradient_flow", seed="3")) != words(opened("gradient_flow", seed="4"))


def test_gradient_flow_tells_each_start() -> None:
    assert "‖∇A‖ was exactly 0" in said("gradient_flow")
    assert "‖∇B‖ was exactly 0" in said("gradient_flow", init="A_zero")
    assert "From this initialisation nothing" in said("gradient_flow", init="both_zero")
    assert "Neither factor was 0" in said("gradient_flow", init="both_random")


def test_a_learning_rate_too_high_is_said() -> None:
    assert "diverged" in said("bottleneck", optimizer="sgd", lr="5")
    assert opened("gradient_flow", lr="5").get("bidi_component")


def test_rank_fails_honestly() -> None:
    assert "The target has full rank" in said("rank", task="full_rank")
    assert "higher ranks fit the noise" in said("rank")
    folded = opened("rank", condition="100").expander
    assert any("not the best update" in m.value for e in folded for m in e.markdown)


def test_a_map_is_read_at_the_cell_that_a_link_names() -> None:
    assert "diverged after step" in said("phase_map", map_row="95", map_column="95")
    assert "is good" in said("phase_map")
    assert "is dead" in said("phase_map", init="both_zero")


def test_starts_are_told_apart() -> None:
    assert "Both random: the initial loss changes" in said("init_race")
    assert "LoRA-GA leaves the initial loss at" in said("init_race", init="lora_ga")
    assert "At the best rates tried, B random leaves" in said("init_ab", optimizer="sgd")
    assert "PiSSA has" in said("init_alignment", init="pissa")


def test_scaling_depends_on_all_three() -> None:
    assert "With SGD and A drawn as Kaiming" in said("scaling")
    assert "With Adam and A drawn as N(0, 1/r)" in said("scaling", optimizer="adam", init="variance_1_over_r")
    assert "rank 4 trains best" in said("scaling_training")
    assert "trains best" in said("scaling_training", optimizer="adam")
    assert "Adam's ε" in said("alpha", optimizer="adam")
    assert "s is already 1" in said("alpha", alpha="4")


def test_the_still_figure_is_drawn_on_demand() -> None:
    at = opened("rank")
    assert not at.get("plotly_chart")


def test_the_entry_point_opens_the_start_page() -> None:
    at = AppTest.from_file(str(ROOT / "lora_viz" / "ui" / "navigation.py"), default_timeout=60).run()
    assert not at.exception
    assert at.title[0].value == "LoRA Playground: what do you want to know?"


@pytest.mark.parametrize(("name", "value"), [("rank", "3"), ("at", "7"), ("convention", "peft")])
def test_an_old_link_to_the_machine_opens_it(name: str, value: str) -> None:
    """The machine stood at "/" once: links with its settings lead to it."""
    at = AppTest.from_file(str(ROOT / "lora_viz" / "ui" / "navigation.py"), default_timeout=60)
    at.query_params[name] = value
    at.run()
    assert not at.exception and not at.warning
    assert at.title[0].value == "Inside a LoRA layer: what happens in one step?"


def test_own_numbers_are_worked_through_and_bad_ones_keep_the_last_good() -> None:
    at = opened("follow")
    before = words(at)
    at.text_area(key="one_sample_x").set_value("[1, 0, 0]").run()
    assert not at.exception
    good = words(at)
    assert good != before
    for bad, sentence in (("1 0 zero", "x holds 'zero'"), ("[1, 2]", "W·x cannot be formed: W is 4×3 and x is 2×1")):
        at.text_area(key="one_sample_x").set_value(bad).run()
        assert not at.exception
        assert at.error[0].value.startswith(sentence)
        assert words(at) == good


def test_a_matrix_of_one_s_own_and_bad_ones_keep_the_last_good() -> None:
    at = opened("matrix", matrix="own", own_matrix="2 0; 0 0")
    good = words(at)
    assert "Shape 2×2, rank 1" in good
    for bad, sentence in (
        ("1 2; x 4", "M holds 'x'"),
        ("1 2 3; 4 5", "M has rows of 3, 2 numbers"),
        ("1 2 3 4; 5 6 7 8", "M is 2×4: at most 3×3 can be drawn."),
        ("", "M is empty"),
    ):
        at.text_input(key="own_matrix").set_value(bad).run()
        assert not at.exception
        assert at.error[0].value.startswith(sentence)
        assert at.error[0].value.endswith("Showing what fitted last instead.")
        assert words(at) == good


def test_a_rank_depends_on_the_tolerance() -> None:
    assert "Shape 2×3, rank 1" in said("matrix")
    assert "2 above 10⁻¹² σ₁, 1 above 10⁻² σ₁" in said("matrix", entry_noise="0.001")


def test_an_effect_that_does_not_appear_is_said() -> None:
    assert "There is no noise to remove" in said("denoise", noise="0")
    assert "Directions weaker than that are hidden" in said("denoise", noise="2")
    assert "A rotation keeps the next gradient step" in said("gauge", gauge_path="turn")
    assert "The data are not centred, and the subspace found is" in said("autoencoder", centred="not centred")
    assert all(judged("denoise", noise=noise).holds is False and judged("denoise").holds for noise in ("0", "2")), (
        "no noise, or more than the weakest directions have"
    )
    assert judged("gauge", gauge_path="turn").holds is False
    assert "diverged: lower the learning rate" in said("autoencoder", lr="0.5")


def test_counts_that_are_not_measured_are_called_arithmetic() -> None:
    assert "(arithmetic)" in said("storage", layer_shape="4096×11008")
    assert "(arithmetic)" not in said("storage")


def test_mistakes_are_guessed_before_they_are_shown() -> None:
    at = opened("mistake")
    html = " ".join(element.proto.body for element in at.get("html"))
    assert "−0.8" not in html
    at.toggle(key="reveal").set_value(True).run()
    assert not at.exception
    html = " ".join(element.proto.body for element in at.get("html"))
    assert "−0.8" in html
    assert "2.2141" in words(at)


def test_digits_tells_each_change() -> None:
    assert "LoRA comes within one percentage point at rank 8" in said("digits")
    assert "No rank up to 16 comes within one percentage point" in said("digits", change="inverted")
    assert "New names could be learnt by the head" in said("digits", change="relabelled")


def test_two_adapters_of_one_task_are_told_as_such() -> None:
    assert "two updates of rank 3 has numerical rank 6" in said("many_adapters")
    assert "overlap gives no warning" not in said("many_adapters", second="rotated")
