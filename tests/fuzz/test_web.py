"""Seeded mutations into every parser of the web side: each ends in a value or in its one kind of error."""

import random

from lora_viz.content.decks.scenes import DeckError, read_deck
from lora_viz.core.refusals import Refusal
from lora_viz.i18n.outside import on_screen
from lora_viz.layer.worked import WorkedError, parse_matrix
from lora_viz.lessons.controls import SettingError, Several
from lora_viz.lessons.decks import DECKS, read_bytes
from lora_viz.lessons.walk import lessons
from lora_viz.ui.server import answers_to
from tests.fuzz.addresses import controls_of
from tests.fuzz.amount import amount

HOSTILE = (
    *("", " ", "\x00", "\n", "\ud800", "\u202e", "\u2028", "é", "日本", "١٢", "²", "½", "𝟙", "😀", "\ufeff"),
    *("%00", "+", "&"),
    *("nan", "inf", "-inf", "1e999", "1e-999", "-0", "0x1f", "1_0", "9" * 25, "9" * 5000, "0" * 99, "1j"),
    *("True", "None"),
    *("[", "]", "{", "}", "(", ")", "[[", "[{[1]}]", "[[{{}:1}]]", "...", ",", ";", ":", "'", '"', "`"),
    *("\\", "$", "*"),
    *("lambda:0", "__import__('os')", "a.b", "=", "array([", "tensor(", "![](//h.invalid)", "<b>", "true"),
    *("null", "1" * 60),
)


def mutated(text: str, rng: random.Random) -> str:
    """The text, cut, doubled, or with something hostile in it, once to three times."""
    for _ in range(rng.randrange(1, 4)):
        i, j = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        match rng.randrange(5):
            case 0:
                text = text[:i] + text[j:]
            case 1:
                text = text[:j] + text[i:j] * rng.choice((1, 2, 9)) + text[j:]
            case 2:
                text = text[:i] + chr(rng.choice((rng.randrange(128), rng.randrange(0x3000)))) + text[i + 1 :]
            case _:
                text = text[:i] + rng.choice(HOSTILE) + text[i:]
    return text


def said(error: Refusal) -> None:
    """The refusal is one sentence that can be shown."""
    sentence = on_screen(error.said)
    sentence.encode()
    assert 5 < len(sentence) < 1500 and "Error" not in sentence[:12], sentence


def test_matrices() -> None:
    seeds = ("1 2; 3 4", "[[1, 0], [0, -1.5]]", "array([[1., 2.], [3., 4.]])", "1,2\n3,4", "tensor([1, 2], dtype=x)")
    rng = random.Random(11)
    read = 0
    for _ in range(amount(20_000)):
        try:
            assert parse_matrix(mutated(rng.choice(seeds), rng), "M").ndim == 2
            read += 1
        except WorkedError as error:
            said(error)
    assert read > 1000


def test_decks() -> None:
    good = (DECKS / "five_minutes.toml").read_text(encoding="utf-8")
    short = [f"{good.partition('[[scene]]')[0]}[[scene]]{scene}" for scene in good.split("[[scene]]")[1:]]
    pages = [each.id for each in lessons()]
    rng = random.Random(12)
    read = 0
    for _ in range(amount(20_000)):
        try:
            read_deck(mutated(rng.choice(short), rng), pages, still=("follow",))
            read += 1
        except DeckError as error:
            said(error)
    assert read > 1000


def test_deck_files() -> None:
    good = (DECKS / "tour.toml").read_bytes()[:900]
    rng = random.Random(13)
    for _ in range(amount(2_000)):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            read_bytes(mutated("mine.toml", rng), bytes(data))
        except DeckError as error:
            said(error)


def test_links() -> None:
    """All parameters of all lessons: a text is an allowed answer or is refused, and answers make settings."""
    every = [(lesson, control) for lesson in lessons() for control in controls_of(lesson)]
    rng = random.Random(14)
    read = 0
    for turn in range(amount(20_000)):
        lesson, control = every[turn % len(every)]
        usual = control.link(control.usual(lesson.default))
        text = mutated(usual if isinstance(usual, str) else ",".join(usual), rng)
        if turn % 3 == 0:
            text = rng.choice(HOSTILE)
        try:
            value = control.parse([text, *usual] if isinstance(control, Several) and turn % 2 else text)
        except SettingError as error:
            said(error)
            continue
        read += 1
        control.check(value)
        settings, notices = lesson.resolve({control.id: value})
        assert all(map(on_screen, notices))
        hash(settings)
    assert read > 1000


def test_settings_from_python() -> None:
    """A value of any type is an answer or is refused."""
    values = (None, True, -1, 0, 10**30, 2**63, 0.5, float("nan"), float("inf"), "x", b"x", [], [1], {}, (), object())
    for lesson in lessons():
        for control in controls_of(lesson):
            for value in values:
                try:
                    lesson.settings(**{control.id: value})
                except Refusal as error:
                    said(error)


def test_hosts() -> None:
    """A Host header is ours or it is not; nothing else happens."""
    rng = random.Random(15)
    for _ in range(amount(20_000)):
        host = mutated(rng.choice(("localhost:8501", "127.0.0.1", "[::1]:80", "evil.example")), rng)
        if answers_to(host):
            name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
            assert all(c.isalnum() or c in ".:[]-%_" for c in name), host
