"""Budget, cost and reference pages: obeying their controls as scripts, and as a person sees them in Chromium."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from streamlit.testing.v1 import AppTest

from lora_viz.costs.models import MODELS
from lora_viz.lessons.walk import lesson
from tests.everyone import for_everyone, rest
from tests.test_browser import LOOKS, PAPER_OF_PAGE
from tests.test_pages import opened, words

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "vocab_size": 100,
}


def code(at: AppTest) -> str:
    return " ".join(block.value for block in at.code)


def test_the_budget_obeys_its_controls() -> None:
    at = opened("budget")
    assert "trains 16,777,216 parameters" in words(at)
    assert 'target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]' in code(at)
    at.select_slider(key="rank").set_value(8).run()
    assert "trains 8,388,608 parameters" in words(at)
    at.selectbox(key="model").set_value("GPT-2").run()
    assert not at.exception
    assert "c_attn" in code(at) and "fan_in_fan_out=True" in code(at)
    assert "124,439,808" in words(at)


def test_modules_are_kept_for_each_model() -> None:
    at = opened("transformer")
    next(w for w in at.button_group if w.key == "targets_llama_8").set_value(["down_proj"]).run()
    at.selectbox(key="model").set_value("GPT-2").run()
    assert not at.exception
    assert "Rank 8 on c_attn" in words(at)
    at.selectbox(key="model").set_value("Llama-2-7B").run()
    assert "Rank 8 on down_proj" in words(at), "what was chosen for models of this kind is chosen again"
    next(w for w in at.button_group if w.key == "targets_llama_8").set_value([]).run()
    assert "Rank 8 on q_proj, v_proj" in words(at)
    assert any("No module was chosen" in caption.value for caption in at.caption)


@pytest.mark.parametrize(
    ("name", "query", "sentence"),
    [
        (
            "budget",
            {"model": "<script>"},
            "`model=<script>` is not possible in this lesson. Valid values: one of the menu's. Showing",
        ),
        (
            "transformer",
            {"model": "SDXL UNet"},
            "model=SDXL UNet is not possible in this lesson. Valid values: one of the",
        ),
        (
            "budget",
            {"rank": "257"},
            "rank=257 is not possible in this lesson. Valid values: 1 to 256. Showing 16 instead.",
        ),
        ("budget", {"precision": "fp8"}, "precision=fp8 is not possible in this lesson. Valid values: bf16 mixed,"),
        ("cost", {"layer": "1e999"}, "layer=1e999 is not possible in this lesson. Valid values: 4096×4096, 768×768,"),
        (
            "config_card",
            {"alpha": "nan"},
            "alpha=nan is not possible in this lesson. Valid values: 1 to 128. Showing 8 instead.",
        ),
        (
            "config_card",
            {"dropout": "2"},
            "dropout=2 is not possible in this lesson. Valid values: 0 to 0.2. Showing 0 instead.",
        ),
        ("literature", {"topic": "x" * 99}, f"topic={'x' * 40} is not possible in this lesson. Valid values: all,"),
    ],
)
def test_a_bad_link_opens_with_one_sentence(name: str, query: dict[str, str], sentence: str) -> None:
    at = opened(name, **query)
    assert len(at.warning) == 1
    assert at.warning[0].value.startswith(sentence)
    assert "What you saw." in words(at)


def test_a_link_with_modules_is_honoured_and_an_unknown_one_named() -> None:
    at = opened("budget", targets_llama_8=["q_proj", "zzz"])  # type: ignore[arg-type]
    names = ", ".join(MODELS["Llama-2-7B"].names)
    assert at.warning[0].value == (
        f"targets_llama_8=zzz is not possible in this lesson. Valid values: {names}. Showing q_proj instead."
    )
    assert 'target_modules=["q_proj"]' in code(at)
    assert not opened("transformer", targets_llama_8="k_proj").warning


def test_a_good_link_is_honoured() -> None:
    at = opened("config_card", rank="16", alpha="64", use_rslora="true", dropout="0.05", init="pissa")
    assert not at.warning
    assert "r=16," in code(at) and "lora_dropout=0.05" in code(at) and 'init_lora_weights="pissa"' in code(at)
    assert "s = α/√r = 16" in words(at)


def test_ones_own_config_is_read_and_a_bad_one_keeps_the_last() -> None:
    at = opened("budget", model="my config.json")
    assert "Llama-2-7B" in words(at)
    at.text_area(key="own_config").set_value(json.dumps(CONFIG)).run()
    assert not at.exception and not at.error
    good = words(at)
    assert "your llama" in good
    for bad, sentence in (
        ("{", "This is not JSON"),
        (json.dumps(CONFIG | {"hidden_size": None}), "The config lacks hidden_size: a whole number is needed."),
        (json.dumps(CONFIG | {"num_hidden_layers": 10**9}), "num_hidden_layers=1000000000 is not possible"),
    ):
        at.text_area(key="own_config").set_value(bad).run()
        assert not at.exception
        assert at.error[0].value.startswith(sentence)
        assert at.error[0].value.endswith("Showing what fitted last instead.")
        assert words(at) == good


def test_the_cost_follows_the_layer() -> None:
    assert "holds below rank 20.5 here; at rank 2048" in words(opened("cost"))
    small = words(opened("cost", layer="64×64"))
    assert "holds at no rank" in small
    assert "all of them equal to the formulas" in lesson("cost_layer").play(layer="64×64").detail


def test_the_key_parameters_are_checked() -> None:
    at = opened("config_card")
    assert "B A is multiplied by s = α/r = 1." in words(at)
    at.toggle(key="use_rslora").set_value(True).run()
    assert "use_rslora=True" in code(at)
    before = code(at)
    at.select_slider(key="rank").set_value(1).run()
    next(w for w in at.button_group if w.key == "init").set_value("orthogonal").run()
    assert at.error[0].value.startswith("rank=1 does not go with init=orthogonal: it needs an even rank.")
    assert "r=1," in code(at) and code(at) != before


def visit(window: BrowserContext, address: str, path: str) -> tuple[Page, list[str]]:
    page = window.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" and "404" not in m.text else None)
    page.goto(f"{address}/{path}")
    expect(page.get_by_text("What you saw.").first).to_be_visible(timeout=60_000)
    return page, complaints


SEEN = {
    "start": ".player canvas",
    "paths": ".paths details",
    "choosing": ".practice",
    "budget": ".js-plotly-plot",
    "cost": ".player canvas",
    "config_card": ".cards",
    "transformer": "img.block:visible",
    "literature": ".papers",
    "glossary": "h1",
}


@pytest.mark.parametrize("path", SEEN)
def test_a_page_is_readable(window: BrowserContext, address: str, path: str) -> None:
    page, complaints = visit(window, address, path)
    picture = page.locator(SEEN[path]).first
    for size, scheme in LOOKS:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        expect(page.get_by_test_id("stApp")).to_have_css("background-color", PAPER_OF_PAGE[scheme], timeout=60_000)
        rest(page)  # a chart is drawn anew in the other theme's colours
        expect(picture).to_be_visible(timeout=60_000)
        box = picture.bounding_box()
        assert box is not None and box["y"] < size[1] / 2, "the picture begins on the first screen"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator(".katex-error").count() == 0
        if path == "cost":
            bar = page.locator(".player .bar").bounding_box()
            assert bar is not None and bar["y"] + bar["height"] <= size[1]
    page.set_viewport_size({"width": 1280, "height": 720})
    page.emulate_media(color_scheme="light")
    for_everyone(page)
    page.close()
    assert not complaints


def test_the_pictures_have_alt_text_with_the_reading(window: BrowserContext, address: str) -> None:
    page, _ = visit(window, address, "budget")
    expect(page.locator(".js-plotly-plot")).to_have_count(2, timeout=60_000)
    said = page.content()
    assert "trains 16,777,216 parameters" in said
    assert page.locator("[aria-label*='Full fine-tuning takes']").count() >= 1
    page.goto(f"{address}/transformer")
    drawn = page.locator("img.block:visible")
    expect(drawn).to_be_visible(timeout=60_000)
    assert "106,496 parameters per block" in (drawn.get_attribute("alt") or "")
    assert drawn.evaluate("e => e.complete && e.naturalWidth > 500")
    page.close()


def test_a_tick_puts_a_and_b_beside_the_matrix(window: BrowserContext, address: str) -> None:
    page, _ = visit(window, address, "transformer")
    drawn = page.locator("img.block:visible")
    before = drawn.get_attribute("src")
    page.get_by_role("button", name="down_proj").click()
    expect(drawn).not_to_have_attribute("src", str(before))
    expect(page.get_by_text("Rank 8 on q_proj, v_proj, down_proj")).to_be_visible()
    page.close()


def test_the_ranks_are_gone_through_in_the_browser(window: BrowserContext, address: str) -> None:
    page, complaints = visit(window, address, "cost")
    player = page.locator(".player")
    expect(player.locator(".narration")).to_contain_text("Rank 16: 0.781 %, 128× fewer")
    player.focus()
    page.keyboard.press("ArrowRight")
    expect(player.locator(".narration")).to_contain_text("Rank 20: 0.977 %, 102× fewer")
    page.keyboard.press("End")
    expect(player.locator(".narration")).to_contain_text("Rank 4096: 200 %, 2× as many")
    page.close()
    assert not complaints


def test_the_cost_of_a_rank_can_be_shared(window: BrowserContext, address: str) -> None:
    page, _ = visit(window, address, "cost?layer=768×768")
    expect(page.locator(".player")).to_have_attribute("data-frames", re.compile(r"\d"), timeout=60_000)
    page.locator(".player").focus()
    page.keyboard.press("Home")
    expect(page.locator(".player")).to_have_attribute("data-frame", "0")
    page.get_by_role("button", name="Share").click()
    link = page.get_by_role("dialog").locator("code").first.inner_text()
    page.close()
    other, complaints = visit(window, address, link.partition(f"{address}/")[2])
    expect(other.locator(".player .narration")).to_contain_text("Rank 1: 0.26 %, 384× fewer")
    other.close()
    assert not complaints


def test_a_card_leads_to_its_page(window: BrowserContext, address: str) -> None:
    page, _ = visit(window, address, "config_card")
    page.locator(".cards").get_by_role("link", name=lesson("rank").menu, exact=True).first.click()
    expect(page.get_by_role("heading", name=lesson("rank").title)).to_be_visible(timeout=60_000)
    page.close()
