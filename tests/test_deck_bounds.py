"""Decks that are made to hurt: each is refused in one sentence, and reading takes work in proportion to its size."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from lora_viz.content.decks.scenes import LONGEST_DECK, Deck, DeckError, read_deck
from lora_viz.i18n.outside import on_screen
from lora_viz.lessons.deck_file import leaf_of
from lora_viz.lessons.decks import read_bytes

SCENE = 'title = "t"\n[[scene]]\npage = "rank"\ncaption = "c"\n'
HUGE = "0x" + "f" * 5000  # Python reads it, and will not write it in digits


def dotted(parts: int) -> str:
    return ".".join("a" * parts)


@pytest.mark.parametrize(
    ("name", "text"),
    {
        "a key of 32,767 parts": f"{dotted(32_767)}=1",
        "the same behind an escaped quote": f'"\\"".{dotted(30_000)}."\\""=1',
        "the same in single quotes": f"'\"'.{dotted(30_000)}.'\"'=1",
        "the same in an array of texts": f'x = ["""\n""", {{{dotted(30_000)} = 1}}, """\n"""]',
        "the same over what only looks like lines": "a" + f'.{dotted(150)}."\u2028"' * 180 + "=1",
        "the same with spaces": " . ".join("a" * 10_000) + "=1",
        "a table's name of 32,767 parts": f"[{dotted(32_000)}]",
        "a number of 5,000 digits": f"title = {'9' * 5000}",
        "a place of 5,000 hexadecimal digits": f"{SCENE}at = {HUGE}",
        "a setting of 5,000 hexadecimal digits": f"{SCENE}settings = {{ rank = {HUGE} }}",
        "such a take": f'{SCENE}question = {{ kind = "number", text = "?", series = ["s"], take = [{HUGE}] }}',
        "scenes that are no tables": "scene = [1, 2]",
        "a scene that is a number": 'title = "t"\nscene = 1',
        "settings that are a list": f"{SCENE}settings = [1]",
        "a settings' date": f"{SCENE}settings = {{ rank = 1979-05-27 }}",
        "arrays in arrays": "a = " + "[" * 30_000,
        "tables in tables": "a = " + "{a=" * 15_000,
        "6,500 scenes": "[[scene]]\n" * 6_500,
        "half a character": 'title = "\ud800"',
        "nothing": "",
        "a byte order mark": f"\ufeff{SCENE}",
    }.items(),
    ids=lambda value: value if len(value) < 50 else "",
)  # fmt: skip
def test_it_is_refused_in_one_sentence(name: str, text: str) -> None:
    with pytest.raises(DeckError) as error:
        read_deck(text, ("rank",))
    assert 10 < len(str(error.value)) < 400 and "\n" not in str(error.value), name
    if text.count(".") > 5000:  # before it is read: the reader would take gigabytes, and then find the key unknown
        assert "has more than 200 dots" in str(error.value)
    on_screen(error.value.said).encode()


@pytest.mark.parametrize("settings", ["seed = -1", "seed = 99999999999", "seed = 1e300", 'seed = "nan"', "rank = 0"])
def test_a_setting_out_of_range_is_said_when_its_scene_is_opened(settings: str) -> None:
    deck = read_deck(f"{SCENE}settings = {{ {settings} }}", ("rank",))
    with pytest.raises(DeckError, match=r"scene 1 \(rank\)"):
        leaf_of(deck, 0)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"title = '\xed\xa0\x80'", b"\x00" * 9, b"x" * (LONGEST_DECK + 1)])
def test_bytes_that_are_no_deck_are_refused(content: bytes) -> None:
    with pytest.raises(DeckError):
        read_bytes("![](//host.invalid).toml", content)


def work_of(read: Callable[[], Any]) -> int:
    """How many lines of Python the reading runs, in the library and here: the same on every machine."""
    count = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace if "toml" in frame.f_code.co_filename or "scenes" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        read()
    finally:
        sys.settrace(before)
    return count


def _read(text: str) -> Deck | None:
    try:
        return read_deck(text, ("rank",))
    except DeckError:
        return None


GROWING: dict[str, Callable[[int], str]] = {
    "keys": lambda n: "".join(f"a{i} = 1\n" for i in range(n)),
    "keys of a table": lambda n: "x = {" + ", ".join(f"a{i} = 1" for i in range(n)) + "}",
    "scenes": lambda n: 'title = "t"\n' + SCENE.partition("\n")[2] * n,
    "tables": lambda n: "".join(f"[a{i}]\n" for i in range(n)),
    "tables in scenes": lambda n: "".join(f"[[scene]]\n[scene.a{i}]\n" for i in range(n)),
    "depth of arrays": lambda n: "a = " + "[" * n + "]" * n,
    "depth of tables": lambda n: "a = " + "{a = " * n + "1" + "}" * n,
    "long keys": lambda n: "".join(f"{dotted(50)}.b{i} = 1\n" for i in range(n)),
    "long text": lambda n: f'title = "{"a" * 20 * n}"',
    "escapes": lambda n: 'title = "' + "\\n" * 20 * n + '"',
    "lines of a text": lambda n: 'title = """' + "a.\n" * 20 * n + '"""',
    "dots below the limit": lambda n: f"{SCENE}notes = '{'.' * min(n, 190)}'\n" + "# .\n" * n,
}  # fmt: skip


@pytest.mark.parametrize("what", GROWING)
def test_work_grows_no_faster_than_the_deck(what: str) -> None:
    grow = GROWING[what]
    one, two = (work_of(lambda n=n: _read(grow(n))) for n in (60, 120))  # type: ignore[misc]
    assert two <= 2.2 * one + 200, f"{one} lines, then {two}"


def test_the_longest_keys_that_are_allowed_cost_little() -> None:
    """The reader's work for one key is its length squared; all the keys that fit in a deck must stay bearable."""
    line = f"{dotted(198)}.b = 1\n"
    assert work_of(lambda: _read(line)) * (LONGEST_DECK // len(line)) < 2_000_000
