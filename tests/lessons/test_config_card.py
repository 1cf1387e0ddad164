"""Key parameters: the cards, and the configuration as PEFT reads it."""

import pytest

from lora_viz.costs.peft_config import AdapterConfig, AdapterConfigError
from lora_viz.lessons.controls import SettingError
from lora_viz.lessons.parts import Code, Columns
from lora_viz.lessons.reference.config_card import LESSON, cards_html, config_cards, takeaway

LINKS = {"rank": "<a>Rank</a>", "merge": "<a>Merge</a>"}


def test_the_cards_say_what_was_changed() -> None:
    usual = config_cards(AdapterConfig(), LINKS)
    assert [p.name for p, _, same in usual.cards if not same] == ["target modules"]
    other = config_cards(AdapterConfig(rank=16, alpha=32, use_rslora=True), LINKS)
    assert "s = α/√r = 8. Different from PEFT's defaults" in takeaway(other)
    html = cards_html(other)
    assert html.count('class="changed"') == 4
    assert "<a>Merge</a>" in html and html.count("<a>") == html.count("<a>Rank</a>") + html.count("<a>Merge</a>")


def code(**given: object) -> str:
    (columns,) = LESSON.play(**given).parts("extras")
    assert isinstance(columns, Columns)
    return " ".join(part.text for column in columns.columns for part in column if isinstance(part, Code))


def test_the_configuration_is_the_chosen_one() -> None:
    said = code(rank=16, alpha=64.0, use_rslora=True, dropout=0.05, init="pissa", targets=("c_attn",))
    assert "r=16," in said and "lora_dropout=0.05" in said and 'init_lora_weights="pissa"' in said
    assert "fan_in_fan_out=True" in said and '"use_rslora": true' in said
    assert "s = α/√r = 16" in LESSON.play(rank=16, alpha=64.0, use_rslora=True).takeaway
    assert "B A is multiplied by s = α/r = 1." in LESSON.play().takeaway


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(AdapterConfigError, match="rank=1 does not go with init=orthogonal: it needs an even rank"):
        LESSON.play(rank=1, init="orthogonal")
    with pytest.raises(AdapterConfigError, match="target_modules is empty"):
        LESSON.play(targets=())
    for bad in ({"alpha": float("nan")}, {"dropout": 2.0}, {"init": "eva"}):
        with pytest.raises(SettingError, match=r"is not possible in this lesson\. Valid values:"):
            LESSON.play(**bad)
