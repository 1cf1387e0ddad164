"""Budget: what is put in the pictures, exactly; the pictures, lightly; the adapter as PEFT is asked for it."""

import json

import numpy as np
import pytest

from lora_viz.costs.budget import budget
from lora_viz.costs.model_config import ConfigError
from lora_viz.costs.models import MODELS
from lora_viz.lessons.controls import SettingError
from lora_viz.lessons.parts import Code, Columns, Folded, Numbers, Part, Prose, Row
from lora_viz.lessons.real import memory_need, parameter_share
from lora_viz.lessons.real.budget import LESSON

OWN = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "vocab_size": 100,
}


def inner(parts: tuple[Part, ...]) -> list[Part]:
    """All parts, those side by side one by one."""
    found: list[Part] = []
    for part in parts:
        if isinstance(part, Columns):
            found += [each for column in part.columns for each in column]
        else:
            found += part.parts if isinstance(part, Row | Folded) else [part]
    return found


@pytest.mark.parametrize("title", MODELS)
def test_the_boxes_make_up_the_model_and_its_adapter(title: str) -> None:
    shape = MODELS[title]
    b = budget(shape, shape.names[:2], 3)
    record = parameter_share.parameter_share(b)
    by_kind = {k: sum(s for s, kind in zip(record.sizes, record.kinds, strict=True) if kind == k) for k in record.kinds}
    assert sum(record.sizes) == shape.total + b.trained
    assert by_kind["A"] + by_kind["B"] == b.trained
    assert by_kind["target"] == b.touched
    assert by_kind["rest"] == sum(shape.rest.values())
    figure = parameter_share.figure(record, theme="dark")
    assert figure.data[0]["values"][0] == sum(figure.data[0]["values"][1:])


def test_the_opening_words() -> None:
    said = LESSON.play().detail
    assert "(matrices: 128) trains 16,777,216 parameters, 0.249 % of Llama-2-7B's 6,738,415,616" in said
    assert "128 times as many (2,147,483,648)" in said
    verdict = LESSON.play().verdict
    assert verdict is not None and "402× fewer trainable parameters take 8.89× less memory" in verdict.text
    assert "needs 0.254 % more multiply–adds" in said and "Training needs 75.3 % of those of full" in said
    assert "Training needs 66.9 % of those of full" in LESSON.play(checkpointing=False).detail
    past = parameter_share.parameter_share(budget(MODELS["Qwen2.5-0.5B"], ("k_proj",), 256))
    assert "That is more than the matrices that it adapts hold" in parameter_share.takeaway(past)


@pytest.mark.parametrize("title", ["Llama-2-7B", "SDXL UNet", "GPT-3 175B"])
def test_each_part_of_a_bar_begins_where_the_part_before_ended(title: str) -> None:
    b = budget(MODELS[title], MODELS[title].names[:1], 4)
    record = memory_need.memory_need(b)
    figure = memory_need.figure(record)
    bottoms = np.array([trace["base"] for trace in figure.data], dtype=float).T
    heights = np.array([trace["x"] for trace in figure.data], dtype=float).T
    np.testing.assert_allclose(heights, record.need)
    np.testing.assert_allclose(bottoms[:, 0], 0)
    np.testing.assert_allclose(bottoms[:, 1:], (bottoms + heights)[:, :-1])
    table = memory_need.table(record)
    np.testing.assert_allclose(table["total"] * 1e9, [m.total for m in b.memory])
    assert ("depend on the image size" in memory_need.takeaway(record)) == (title == "SDXL UNet")


def test_the_smallest_card() -> None:
    said = [memory_need.smallest(g) for g in (0.1, 8.0, 8.01, 24.0, 79.0, 81.0, 161.0)]
    assert said == ["an 8 GB card"] * 2 + ["a 16 GB card", "a 24 GB card", "an 80 GB card"] + [
        "2 cards of 80 GB",
        "3 cards of 80 GB",
    ]


def test_it_obeys_its_controls() -> None:
    shown = LESSON.play(rank=8, alpha=64.0, use_rslora=True, targets_llama_8=("v_proj", "q_proj"))
    assert "trains 4,194,304 parameters" in shown.takeaway
    python, js, quantised = (part.text for part in inner(shown.parts("extras")) if isinstance(part, Code))
    assert "BitsAndBytesConfig(" in quantised and 'target_modules=["q_proj", "v_proj"]' in quantised
    every = LESSON.play(targets_llama_8=LESSON.play().record.budget.shape.all_linear)
    assert any(
        'target_modules="all-linear"' in part.text for part in inner(every.parts("extras")) if isinstance(part, Code)
    )
    assert 'target_modules=["q_proj", "v_proj"]' in python and "use_rslora=True" in python
    assert json.loads(js)["lora_alpha"] == 64
    assert LESSON.play().record.config.target_modules == ("q_proj", "k_proj", "v_proj", "o_proj")
    other = LESSON.play(model="GPT-2")
    assert (other.record.config.target_modules, other.record.config.fan_in_fan_out) == (("c_attn",), True)
    assert "124,439,808" in other.detail
    assert LESSON.play(rank=7).record.budget.rank == 7, "a rank between two marks"
    with pytest.raises(SettingError, match=r"rank=257 is not possible in this lesson\. Valid values: 1 to 256"):
        LESSON.play(rank=257)
    with pytest.raises(
        SettingError, match=r"model=SDXL is not possible in this lesson\. Valid values: one of the menu"
    ):
        LESSON.play(model="SDXL")


def test_without_a_module_the_usual_ones_are_shown() -> None:
    shown = LESSON.play(targets_llama_8=())
    assert shown.takeaway == LESSON.play().takeaway
    (told,) = shown.parts("beside")
    assert isinstance(told, Prose)
    assert told.text == "No module was chosen. Showing q_proj, k_proj, v_proj, o_proj instead."
    assert not LESSON.play().parts("beside")


def test_both_figures_have_their_numbers_beside_them() -> None:
    shown = LESSON.play()
    figures = [part for part in inner(shown.parts("body"))]
    memory_first, boxes_after = (figure.alt for figure in figures)  # type: ignore[union-attr]
    assert f"{boxes_after} {memory_first}" == shown.detail
    numbers = [part for part in inner(shown.parts("extras")) if isinstance(part, Numbers)]
    boxes, memory = (part.columns for part in numbers)
    np.testing.assert_array_equal(boxes["parameters"], shown.record.share.sizes)
    np.testing.assert_array_equal(memory["total"], shown.record.need.need.sum(axis=1))


def test_ones_own_config_is_read_and_a_bad_one_refused() -> None:
    mine = "my config.json"
    assert LESSON.play(model=mine).takeaway == LESSON.play().takeaway, "until something is pasted"
    assert "your llama" in LESSON.play(model=mine, own_config=json.dumps(OWN)).takeaway
    for bad, sentence in (
        ("{", "This is not JSON"),
        (json.dumps(OWN | {"hidden_size": None}), "The config lacks hidden_size: a whole number is needed."),
        (json.dumps(OWN | {"num_hidden_layers": 10**9}), "num_hidden_layers=1000000000 is not possible"),
    ):
        with pytest.raises(ConfigError) as error:
            LESSON.play(model=mine, own_config=bad)
        assert str(error.value).startswith(sentence)
    assert "own_config" not in LESSON.play(model=mine, own_config=json.dumps(OWN)).link, "a link does not carry it"
