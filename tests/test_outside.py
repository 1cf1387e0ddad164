"""The border: outside words come out as words, what this house writes as it is, and no place forgets to ask."""

import ast
import random
import re
from pathlib import Path

import pytest

from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import say, speak
from lora_viz.i18n.outside import Ours, emphasised, isolated, on_screen, plain
from tests.fuzz.amount import amount
from tests.test_floors import FILES, ROOT

PROBES = (
    *("![](//host.invalid/x)", "[Log in](//host.invalid)", "[a][b]\n\n[b]: //host.invalid", "<https://host.invalid>"),
    *("https://host.invalid", "www.host.invalid", "me@host.invalid", '<img src="//host.invalid/x">', "![a][b]"),
    *(":material/home:", ":red[x]", ":red-badge[x]", ":smile:", ":streamlit:", "::note[x]", ":::box", ":color[x]{a=b}"),
    *("$x^2$", "$$x$$", "`x`", "``", "`", "**x**", "_x_", "~~x~~", "# x", "- x", "1. x", "> x", "a | b", "\\[x]"),
    *("&amp;", "a -> b", "a\nb", "  x", "x\u202ey", "\u2069![](//host.invalid)\u2068", "\u2068", "\u2069", "\ud800"),
)


def _words_of(code: str) -> str:
    """What a text that is one piece of inline code shows, by CommonMark's rule."""
    found = re.fullmatch(r"(`+)(?!`)( ?)(.*?)\2(?<!`)\1", code)
    assert found is not None and found[1] not in found[3].split("x"), code
    assert not re.search(rf"(?<!`){found[1]}(?!`)", found[3]), "the fence stands in it too"
    return found[3]


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("code", ["en", "de"])
def test_a_value_that_could_be_obeyed_is_shown_as_code(probe: str, code: str) -> None:
    with speak(code):
        text = on_screen(say("{value}", value=probe))
    if text:  # a mark alone leaves nothing
        words = _words_of(text).replace("\u2060", "")
        seen = re.sub("[\u202e\u2068\u2069]", "", probe).replace("\ud800", "\ufffd")
        assert words == " ".join(seen.split())


@pytest.mark.parametrize(
    "value", ["rank 4", "−0.5", "12.3 %", "q_proj", "model.layers.0.q_proj", "a, b", "B = 0", "x (y)"]
)
def test_a_value_with_nothing_to_obey_stays_as_it_is(value: str) -> None:
    assert say("It is {value}.", value=value) == f"It is {value}." == on_screen(f"It is {value}.")


def test_outside_words_cannot_forge_the_marks() -> None:
    for forged in ("\u2069![](//host.invalid)\u2068", "a\u2069[x](//host.invalid)", "\u2068\u2069\u2069**b**"):
        text = on_screen(say("Given: {value}!", value=forged))
        assert text.startswith("Given: `") and text.endswith("`!")


def test_marks_hold_through_cutting_joining_and_saying_again() -> None:
    said = say("{value} is not here.", value="![](//host.invalid/x)")
    assert on_screen(said) == "`![](//host.invalid/x)` is not here."
    shown = on_screen(say("{error} Showing 4 instead.", error=ValueError(said)))
    assert shown.startswith("`![](//host.invalid/x)` is not")
    assert on_screen(" ".join([said, "**Ours.**"])) == "`![](//host.invalid/x)` is not here. **Ours.**"
    assert on_screen(said[:9]) == "`![](//ho`"  # an open mark holds to the end
    assert on_screen(say("{cut} Shown.", cut=said[:9])) == "`![](//ho` Shown."
    assert plain(said) == "![](//host.invalid/x) is not here."


def test_what_this_house_writes_is_let_through() -> None:
    own = (
        "**bold**, *slanted*, `code [x](//y)`, $a_1[2](3)$, $$\n\\left[x\\right](y)\n$$ [rank](rank?noise=0&lang=de), "
        "[home](./?rank=2), [term](glossary#rank), [arXiv:2106.09685](https://arxiv.org/abs/2106.09685), 3:4, x < y\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |"
    )
    assert on_screen(own) == own
    assert on_screen(say("So {card}.", card=Ours("**x**"))) == "So **x**."


@pytest.mark.parametrize("probe", [probe for probe in PROBES if "host" in probe or probe.startswith(":")])
def test_the_second_gate_stops_what_was_put_together_without_saying(probe: str) -> None:
    """No picture, no foreign link, no directive: not even where the marks were forgotten."""
    text = on_screen(f"Given {probe} here.")
    assert not re.search(r"(?<!\\)!\[|(?<!\\)\]\(//|(?<!\\)\]\[|(?<!\\)\]:|(?<!\\)<[a-z]", text), text
    assert not re.search(r":[\w+-]+[\[{:]|:material|https?://|www\.|\w@\w", text), text


def test_the_second_gate_is_not_led_astray() -> None:
    for text in (
        *("`\n\n![](//host.invalid)`", "\\` ![](//host.invalid) `", "[![](//host.invalid)](rank)"),
        *("`` ![](//host.invalid) `",),
        *("$ ![](//host.invalid) $", "$$\n\n![](//host.invalid) $$", "[x](rank)[y](//host.invalid)"),
        *("[x]( //host.invalid)",),
        *("[x](<//host.invalid>)", "[x](rank://host.invalid)", "[x](https://arxiv.org/abs/1@host.invalid)"),
    ):  # fmt: skip
        assert not re.search(r"(?<!\\)\]\s*\(\s*<?(//|rank:|https)", on_screen(text)), text


def test_a_deck_may_emphasise_and_hold_maths_and_nothing_else() -> None:
    assert on_screen(emphasised("**Rank** of $\\Delta W$, _now_")) == "**Rank** of $\\Delta W$\\, _now_"
    for probe in PROBES:
        if "host" in probe or probe.startswith((":", "#", "-", "1.", ">", "`", "<")):
            text = on_screen(emphasised(probe))
            unescaped = re.sub(r"\\[!-/:-@\[-`{-~]", "", text)
            assert not re.search(r"[\[\]<>`#]|^-|:(?!\u2060)|https?:|www\.|\w@", unescaped, re.M), (probe, text)


def test_many_inputs_end_as_words() -> None:
    """Seeded: pieces of markup in any order are one piece of code, whole, and never raise."""
    rng = random.Random(7)
    pieces = [
        "![",
        "](",
        ")",
        "[",
        "]",
        "`",
        "``",
        "$",
        ":",
        "red",
        "material/",
        "www.",
        "//h.invalid",
        "\n",
        " ",
        "x",
        "_",
    ]
    pieces += ["*", "<", ">", "&lt;", "\\", "\u2068", "\u2069", "\ud800", "\u202e", "#", "|", "@", "http:", "é", "日"]
    for _ in range(amount(20_000)):
        value = "".join(rng.choices(pieces, k=rng.randrange(1, 12)))
        text = on_screen(say("{value}", value=value))
        text.encode()
        if isolated(value) != value and text:
            _words_of(text)


TAKES = {
    *("badge", "button", "caption", "checkbox", "dialog", "download_button", "error", "expander", "feedback"),
    *("file_uploader", "header", "info", "link_button", "markdown", "metric", "multiselect", "number_input"),
    *("pills", "popover", "progress", "radio", "segmented_control", "select_slider", "selectbox", "slider"),
    *("spinner", "status", "subheader", "success", "text_area", "text_input", "title", "toast", "toggle"),
    *("warning", "write", "exception", "latex", "table", "date_input", "time_input", "color_picker", "chat_message"),
    *("chat_input", "data_editor", "page_link", "tabs", "text", "camera_input"),
}  # fmt: skip
LABELS = ("label", "body", "text", "help", "caption", "captions")
OPTIONS = ("pills", "radio", "segmented_control")


def _guarded(node: ast.expr) -> bool:
    """Whether this text is a constant of ours, or went through the border."""
    match node:
        case ast.Constant():
            return True
        case ast.IfExp():
            return _guarded(node.body) and _guarded(node.orelse)
        case ast.Call(func=ast.Name(id="on_screen")):
            return True
        case ast.Call(func=ast.Name(id="say"), args=[ast.Constant()], keywords=[]):
            return True
        case ast.Lambda():
            return _guarded(node.body)
        case ast.Name():
            return node.id in ("on_screen", "_label")
        case ast.Call(func=ast.Name(id="_label")):
            return True
    return False


def forgotten(source: str) -> list[int]:
    """The lines on which something is shown as Markdown that did not go through the border."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.IfExp):
            continue
        names = [f.attr for f in ast.walk(node.func) if isinstance(f, ast.Attribute)]
        if not TAKES & set(names):
            continue
        first = [] if "progress" in names else node.args[:1]
        asked = [*first, *(k.value for k in node.keywords if k.arg in LABELS)]
        options = [k.value for k in node.keywords if k.arg == "format_func" and set(OPTIONS) & set(names)]
        if not all(map(_guarded, [*asked, *options])) or (set(OPTIONS) & set(names) and not options and not _few(node)):
            lines.append(node.lineno)
    return lines


def _few(node: ast.Call) -> bool:
    """Whether the options of this widget stand in the code."""
    return len(node.args) > 1 and isinstance(node.args[1], ast.Tuple)


def test_the_reading_of_the_code_finds_what_is_forgotten() -> None:
    for line in (
        *("st.warning(text)", "place.warning(say('{x}', x=x))", "st.pills(on_screen(a), options)"),
        *("st.markdown(f'{x}')",),
        *("st.button('x', help=text)", "(st.caption if small else st.markdown)(text)", "bar.progress(1.0, text=x)"),
        *("st.radio('x', given, format_func=str)", "st.error(str(error))"),
    ):  # fmt: skip
        assert forgotten(line), line
    for line in ("st.warning(on_screen(text))", "st.title('x')", "st.button(say('Begin'), help=on_screen(x))"):
        assert not forgotten(line), line


@pytest.mark.parametrize("path", sorted((ROOT / "lora_viz" / "ui").glob("*.py")), ids=lambda path: path.stem)
def test_nothing_reaches_the_screen_past_the_border(path: Path) -> None:
    assert not forgotten(path.read_text(encoding="utf-8"))


def test_a_refusal_is_plain_in_a_terminal_and_marked_for_the_screen() -> None:
    error = Refusal(say("{given} is not here.", given="![](//host.invalid)"))
    assert str(error) == "![](//host.invalid) is not here."
    assert on_screen(error.said) == "`![](//host.invalid)` is not here."
    shown = on_screen(say("{error} Showing 4 instead.", error=error))
    assert shown == "`![](//host.invalid)` is not here. Showing 4 instead."
    assert str(Refusal()) == ""


def test_refusals_are_said() -> None:
    """A refusal that was put together otherwise would not know which of its words came from outside."""
    nodes = [(path, node) for path in FILES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    bases = {n.name: {getattr(b, "id", "") for b in n.bases} for _, n in nodes if isinstance(n, ast.ClassDef)}
    names = {"Refusal"}
    while more := {name for name, own in bases.items() if own & names} - names:
        names |= more
    assert len(names) > 8
    for path, node in nodes:
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names:
            inner = [n for arg in node.args for n in ast.walk(arg)]
            said = any(getattr(getattr(n, "func", None), "id", "") == "say" for n in inner)
            assert said or not any(isinstance(n, ast.JoinedStr) for n in inner), f"{path}:{node.lineno}"
