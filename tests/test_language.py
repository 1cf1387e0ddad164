"""Is every word said in the visitor's language? Nothing is missing in a catalogue, nothing stays in English."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from docs.make_catalogue import gathered
from lora_viz.film.style import number, percent
from lora_viz.i18n import language
from lora_viz.i18n.language import Said, catalogue, english, languages, listed, say, speak
from lora_viz.networks.chat_sets import HELD_OUT, NEUTRAL, SETS
from lora_viz.ui import visitor_language

ROOT = Path(__file__).parent.parent
PAGES = sorted(ROOT.glob("pages/*.py"))
OTHERS = [code for code in languages() if code != "en"]


# What was put to a model, and what it learnt from.
QUOTED = (*HELD_OUT, *NEUTRAL.split("\n"), *(text for each in SETS.values() for pair in each.pairs for text in pair))


class Bracketed(Mapping[str, str]):
    """A language of nothing but brackets: what stands outside of them was said by nobody."""

    def __getitem__(self, text: str) -> str:
        return f"⟦{text}⟧"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def get(self, text: str, default: Any = None) -> str:  # type: ignore[override]
        return self[text]


# What is the same in every language: names of methods, models, packages, formats and people, symbols, addresses,
# and what code is called: q_proj, adapter_config.json, attention.self.query.
NAMES = re.compile(
    r"""\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|https?:\S+|\]\([^)]*\)|<style>.*?</style>|<[^>]*>|
    …?\b\w+(?:[_.]\w+)+|\b(?:BERT|RoBERTa|MiniLM|Qwen2.5)-[\w.-]+|\b(?:query|key|value|UNet|SDXL)\b|
    \b(?:LoRA|LoRA-\w+|rsLoRA|QLoRA|AdaLoRA|DoRA|VeRA|PiSSA|MiLoRA|OLoRA|LoftQ|GaLore|EVA|PEFT|PyTorch|MiniLM|Adam|
    AdamW|Kaiming|Frobenius|Eckart–Young|Python|NumPy|float(?:16|32|64)|bfloat16|Hugging\ Face|safetensors|arXiv|TOML|
    JSON|HTML|Playground|Markdown|Streamlit|MNLI|BERT|RoBERTa|Llama|Mistral|Qwen|Gemma|Phi|DistilBERT|GPT-\w+)\b""",
    re.X | re.S,
)
SHOWN = ("label", "body", "help", "options", "content", "placeholder", "text", "title", "caption", "alt")
HIDDEN = (
    "beside",
    "hero",
    "id",
    "bar_ids",
    "id",
    "kind",
    "colour",
    "scale",
    "x_scale",
    "dash",
    "axis",
    "array",
    "lift",
    "family",
    "font",
    "style",
)


def messages(proto: Any) -> Iterator[str]:
    """Every text of an element that is meant for eyes or ears."""
    for field, value in proto.ListFields():
        values = value if hasattr(value, "append") or hasattr(value, "add") else [value]
        for one in values:
            if isinstance(one, str):
                if field.name in SHOWN and not one.startswith((":material", "/")):
                    yield one
            elif hasattr(one, "ListFields"):
                yield from messages(one)


def film_texts(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            # What a model writes, and what it was asked, stands as it is in every language.
            if name not in HIDDEN and not (name == "rows" and value.get("kind") == "passages"):
                yield from film_texts(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from film_texts(item, key)
    elif isinstance(value, str):
        yield value


def texts(page: AppTest) -> Iterator[str]:
    """All that a page says, its films included."""

    def walk(node: Any) -> Iterator[str]:
        proto = getattr(node, "proto", None)
        if proto is not None and getattr(node, "type", "") != "html":
            if node.type == "bidi_component":
                data = proto.bytes
                film = data and proto.component_name == "lora_player"
                header = json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")]) if film else {}
                yield from film_texts({k: v for k, v in header.items() if k in ("film", "question")})
                yield str(header.get("axis", ""))
            else:
                yield from messages(proto)
        for child in getattr(node, "children", {}).values():
            yield from walk(child)

    yield from walk(page._tree)


def unsaid(text: str) -> str:
    """What of a text stands outside all brackets and is a word of some language."""
    before = None
    while before != text:
        before, text = text, re.sub(r"⟦[^⟦⟧]*⟧", " ", text)
    for quoted in QUOTED:
        text = text.replace(quoted, " ")
    found = re.findall(r"[A-Za-z]{4,}", NAMES.sub(" ", text))
    return " ".join(found)


@pytest.fixture
def brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "catalogue", lambda code: Bracketed() if code == "xx" else {})
    monkeypatch.setattr(visitor_language, "_found", lambda: "xx")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_word_of_a_page_is_said(page: Path, brackets: None) -> None:
    app = AppTest.from_file(str(page), default_timeout=120).run()
    assert not app.exception, app.exception[0]
    left = {text[:160] for text in texts(app) if unsaid(text)}
    assert not left, "\n".join(sorted(f"{unsaid(text)!r} of {text!r}" for text in left))


def test_the_check_can_fail() -> None:
    assert unsaid("⟦Rank ⟦three⟧⟧ is said, this not") == "said this"
    assert not unsaid("⟦Rank ⟦three⟧⟧ 12 $\\mathrm{text}$ LoRA `code here`")


@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_is_complete(code: str) -> None:
    wanted = gathered()
    given = catalogue(code)
    assert not sorted(set(wanted) - set(given)), "not translated yet"
    assert not sorted(set(given) - set(wanted)), "said nowhere any more"


def fields(text: str) -> Counter[tuple[str, str, str]]:
    return Counter((name, spec or "", conv or "") for _, name, spec, conv in Formatter().parse(text) if name)


def is_template(text: str) -> bool:
    try:
        return bool(fields(text))
    except ValueError:
        return False


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_keeps_values_maths_and_links(code: str) -> None:
    wrong = []
    for text, told in catalogue(code).items():
        templates = is_template(text)
        if templates and set(fields(text)) != set(fields(told)):
            wrong.append(f"values: {text!r} -> {told!r}")
        if text.count("$") != told.count("$") or text.count("`") != told.count("`"):
            wrong.append(f"maths or code: {text!r} -> {told!r}")
        if Counter(re.findall(r"\]\(([^)]*)\)", text)) != Counter(re.findall(r"\]\(([^)]*)\)", told)):
            wrong.append(f"links: {text!r} -> {told!r}")
        if (text[:1].isspace(), text[-1:].isspace()) != (told[:1].isspace(), told[-1:].isspace()):
            wrong.append(f"spaces at an end: {text!r} -> {told!r}")
        if "⟦" in told or (re.findall(r"\d+(?:\.\d+)?", re.sub(r"\{[^}]*\}", "", text)) and not re.search(r"\d", told)):
            wrong.append(f"numbers: {text!r} -> {told!r}")
    assert not wrong, "\n".join(wrong)


def test_numbers_for_reading_are_german_and_those_in_maths_stay_one_number() -> None:
    with speak("de"):
        told = say("{a:,}; {b:,}; {c:.1f}; {d}; $x = {e}$; {f}; {g}",
                   a=1234, b=12345, c=-2.5, d=0.5, e=number(0.25), f=number(98765.0), g=percent(0.125))  # fmt: skip
        assert told == "1234; 12\u202f345; -2,5; 0,5; $x = 0{,}25$; 98\u202f765; 12,5 %"
        assert english(told) == "1,234; 12,345; -2.5; 0.5; $x = 0.25$; 98765; 12.5 %", "a deck names things in English"
        assert say("{name}, {link}", name="v1.5", link="?lr=0.05") == "v1.5, ?lr=0.05", "a name, a link: as it stands"
        assert listed((number(1.5), number(2))) == "1,5; 2" and listed(("a", "b")) == "a, b"
    assert listed(("1.5", "12,345")) == "1.5, 12,345"


def test_saying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        language, "catalogue", lambda code: {"rank {r}": "Rang {r}", "one": "eins"} if code == "yy" else {}
    )
    assert say("rank {r}", r=3) == "rank 3"
    assert say("{braces} without values") == "{braces} without values"
    with speak("yy"):
        told = say("rank {r}", r=say("one"))
        assert told == "Rang eins" and isinstance(told, Said)
        assert english(told) == "rank one", "a deck names its panels in English"
        assert say("unknown {r:.1f}", r=2.0) == "unknown 2.0", "what is not translated stays English"
        assert say("{n:,} of {m}", n=12345, m="1, 2") == "12\u202f345 of 1, 2", "a comma is no group to everybody"
    assert say("{n:,}", n=12345) == "12,345"
    assert say("one") == "one", "the block is left"
    assert english(3) == 3
