"""The bytes that the browser gets, read back by a decoder of the test's own: what decode.js does, in Python."""

import json
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from lora_viz.core.refusals import Refusal
from lora_viz.film.film import Film, FilmError
from lora_viz.film.panels import (
    Bars,
    Cloud,
    Curve,
    Curves,
    Group,
    HeatMap,
    Lines,
    Mark,
    Passage,
    Passages,
    Points,
    Readout,
    Row,
    Series,
    Span,
)
from lora_viz.film.size import FilmTooLarge, check_size, packed_size

T = 5


def decode(data: bytes) -> tuple[dict[str, Any], int]:
    """The header with its arrays put back, and how many bytes the length and the header take."""
    length = int.from_bytes(data[:4], "little")
    floats = np.frombuffer(data[4 + length :], dtype="<f4")

    def restore(value: Any) -> Any:
        if isinstance(value, list):
            return [restore(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "array" in value:
            offset, *shape = value["array"]
            return floats[offset : offset + int(np.prod(shape))].reshape(shape)
        return {key: restore(item) for key, item in value.items()}

    def refuse(name: str) -> float:
        raise AssertionError(f"JSON.parse does not know {name}")

    return restore(json.loads(data[4 : 4 + length].decode(), parse_constant=refuse)), 4 + length


def a_film() -> Film:
    """One panel of every kind, unequal sizes, arrays that move and arrays that stand still."""
    rng = np.random.default_rng(5)
    draw = rng.standard_normal
    gone = draw(T)
    gone[3:] = np.nan
    return Film(
        axis="‖ΔW‖ — step",
        values=np.arange(T, dtype=float),
        start=2,
        narration=tuple(f"Step {t}: ∇A is 0" for t in range(T)),
        panels=(
            Lines(
                "loss",
                "loss",
                y_label="L",
                scale="log",
                series=(
                    Series("seen", "seen", "A", gone, dots=True),
                    Series("band", "band", "B", draw(T), low=draw(T), high=draw(T), dash="dot"),
                ),
                marks=(Mark("here", 2.0, "here"),),
            ),
            HeatMap("w", "W", "W", draw((3, 7)), limit=1.5, caption=("still",), span=6),
            HeatMap("delta_w", "ΔW", "delta", draw((T, 3, 7)), limit=np.abs(draw(T)), hatched=True, row=1),
            Bars(
                "part",
                "σ",
                labels=("1", "2"),
                y_label="σ",
                groups=(Group("part", "σ", "B", draw((T, 2))),),
                span=4,
                row=1,
            ),
            Cloud(
                "out",
                "out",
                "ink",
                dimension=3,
                limit=2.0,
                points=(Points("y", "y", "ink", draw((T, 11, 3))),),
                spans=(Span("col_b", "col(B)", "B", np.full((T, 2, 3), np.nan)),),
                row=1,
            ),
            Readout("measured", "Measured", (Row("loss", "loss", tuple("01234")),), span=5, row=2),
            Passages(
                "said", "Said", (Passage("b", "base", ("<i>",)), Passage("r", "r", tuple("abcde"))), span=7, row=2
            ),
        ),
    )


def same(original: Any, decoded: Any, path: str = "film") -> int:
    """Is the decoded film the original? Returns the number of arrays that were compared."""
    if isinstance(original, np.ndarray):
        assert decoded.shape == original.shape, path
        np.testing.assert_array_equal(decoded, original.astype(np.float32), err_msg=path)
        return 1
    if is_dataclass(original):
        assert set(decoded) == {f.name for f in fields(original)}, path
        return sum(same(getattr(original, key), item, f"{path}.{key}") for key, item in decoded.items())
    if isinstance(original, tuple):
        assert len(decoded) == len(original), path
        return sum(same(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(original, decoded, strict=True)))
    assert decoded == original, path
    return 0


def run_of(film: Film) -> str:
    return str(decode(film.to_bytes())[0]["run"])


def test_every_array_and_word_comes_back() -> None:
    film = a_film()
    header, _ = decode(film.to_bytes())
    assert same(film, header["film"]) == 11
    assert [panel["kind"] for panel in header["film"]["panels"]] == [p.kind for p in film.panels]
    assert header["film"]["panels"][0]["series"][0]["low"] is None


@pytest.mark.parametrize("pad", range(5))
def test_arrays_start_at_a_multiple_of_four(pad: int) -> None:
    data = a_film().to_bytes(extra="ü" * pad)
    header, body = decode(data)
    assert body % 4 == 0
    assert (len(data) - body) % 4 == 0
    assert header["extra"] == "ü" * pad
    assert same(a_film(), header["film"]) == 11


def test_nan_survives_and_nothing_else_turns_into_it() -> None:
    header, _ = decode(a_film().to_bytes())
    y = header["film"]["panels"][0]["series"][0]["y"]
    np.testing.assert_array_equal(np.isnan(y), [False, False, False, True, True])
    assert np.isnan(header["film"]["panels"][4]["spans"][0]["basis"]).all()
    assert np.isfinite(header["film"]["panels"][4]["points"][0]["xyz"]).all()


def test_views_and_other_dtypes_are_packed_in_row_order() -> None:
    base = np.arange(42, dtype=float).reshape(7, 6)
    film = replace(a_film(), panels=(HeatMap("w", "W", "W", base.T[::2], limit=1.0, span=12),))
    header, _ = decode(film.to_bytes())
    np.testing.assert_array_equal(header["film"]["panels"][0]["values"], base.T[::2])


def test_the_fingerprint_names_the_film() -> None:
    film = a_film()
    assert run_of(film) == run_of(a_film())
    assert run_of(replace(film, values=film.values + 1e-3)) != run_of(film), "a number in an array"
    assert run_of(replace(film, start=3)) != run_of(film), "a number in the header"
    assert run_of(replace(film, axis="rank")) != run_of(film), "a word"
    alone = replace(film.panels[1], span=12)
    reshaped = replace(alone, values=alone.values.reshape(7, 3))
    assert run_of(replace(film, panels=(reshaped,))) != run_of(replace(film, panels=(alone,))), "a shape"


def test_what_is_said_beside_the_film_is_not_part_of_it() -> None:
    header, _ = decode(a_film().to_bytes(theme={"ink": "#14181f"}, seconds=2.5, lesson="rank"))
    assert header["theme"] == {"ink": "#14181f"}
    assert (header["seconds"], header["lesson"]) == (2.5, "rank")
    assert header["run"] == run_of(a_film())
    assert set(header) == {"protocol", "film", "run", "axis", "theme", "seconds", "lesson"}


def with_ids(*ids: str, parts: tuple[str, ...] = ("seen", "band", "target_rank")) -> Film:
    """The film above with these ids of its first panels, and ``parts`` in the first."""
    film = a_film()
    first, *rest = film.panels
    assert isinstance(first, Lines)
    named = replace(
        first,
        series=tuple(replace(s, id=id) for s, id in zip(first.series, parts[:2], strict=True)),
        marks=(replace(first.marks[0], id=parts[2]),),
    )
    panels = [replace(panel, id=id) for panel, id in zip((named, *rest), ids, strict=False)]
    return replace(film, panels=(*panels, *film.panels[len(ids) :]))


def test_panels_and_their_parts_are_found_by_id() -> None:
    film = with_ids("loss", "w_matrix")
    assert film.panel("w_matrix") is film.panels[1]
    assert film.panel("loss").part("target_rank") is film.panels[0].parts()[2]
    with pytest.raises(LookupError, match=r"'los'.*loss, w_matrix"):
        film.panel("los")
    with pytest.raises(LookupError, match=r"panel 'loss'.*'here'.*seen, band, target_rank"):
        film.panel("loss").part("here")
    with pytest.raises(LookupError, match="its ids are: none"):
        film.panel("w_matrix").part("seen")


@pytest.mark.parametrize(
    ("ids", "parts", "said"),
    [
        (("loss", "loss"), ("a", "b", "c"), "more than one has the id 'loss'"),
        (("loss",), ("a", "b", "a"), "panel 'loss': more than one has the id 'a'"),
        (("Loss",), ("a", "b", "c"), "panel 'Loss'.id is 'Loss', no id in snake_case"),
        (("loss",), ("ΔW", "b", "c"), r"panel 'loss'.series\[0\].id is 'ΔW', no id"),
        (("2nd",), ("a", "b", "c"), "'2nd', no id in snake_case"),
        (("",), ("a", "b", "c"), "panel ''.id is '', no id in snake_case"),
    ],
)
def test_ids_are_plain_and_unique(ids: tuple[str, ...], parts: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        with_ids(*ids, parts=parts)


def changed(film: Film, title: str, **change: Any) -> Film:
    """The film with one panel changed."""
    return replace(film, panels=tuple(replace(p, **change) if p.title == title else p for p in film.panels))


@pytest.mark.parametrize(
    ("title", "change", "said"),
    [
        ("loss", {"series": ()}, "panel 'loss': it has no curves"),
        ("loss", {"span": 5}, "row 0 of the grid, with 'loss', 'W', is 11 wide, not 12"),
        ("loss", {"reach": float("inf")}, r"panel 'loss'.reach is inf, no finite number"),
        ("loss", {"series": (Series("s", "s", "A", np.ones(3)),)}, r"series\[0\].y has the shape \(3,\)"),
        ("loss", {"series": (Series("s", "s", "mauve", np.ones(T)),)}, "'mauve', no colour: ink, faint, W"),
        ("loss", {"series": (Series("s", "s", "A", np.ones(T), low=np.ones(T)),)}, "s: a band has"),
        ("W", {"limit": np.ones(T + 1)}, r"panel 'w'.limit has the shape \(6,\), not \(T\) with T = 5"),
        ("ΔW", {"limit": -1.0}, "panel 'delta_w': a limit is negative"),
        ("ΔW", {"caption": ("a", "b")}, "panel 'delta_w'.caption has the length 2, not 0 or 1 or T"),
        ("σ", {"labels": ("1",)}, r"groups\[0\].values has the shape \(5, 2\), not \(k\) or \(T k\) with T = 5, k = 1"),
        ("out", {"dimension": 2}, r"points\[0\].xyz has the shape \(5, 11, 3\)"),
        ("Measured", {"rows": (Row("l", "l", ("1", "2")),)}, r"rows\[0\].text has the length 2, not 1 or T"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_that_names_the_panel(
    title: str, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(FilmError, match=said):
        changed(a_film(), title, **change)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"values": np.array([0.0, 1, 1, 2, 3])}, "do not grow"),
        ({"start": T}, "starts at frame 5 of 5"),
        ({"narration": ("one",)}, "narration has the length 1, not 0 or T with T = 5"),
        ({"phases": (("a",) * 8,) * T}, "slow motion"),
        ({"phases": (("a",) * 7,) * T}, r"phases\[0\] has the length 7, not 8"),
        ({"seconds_per_frame": 0.0}, "lasts 0.0 seconds"),
    ],
)
def test_a_film_without_order_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(FilmError, match=said):
        replace(a_film(), **change)


def test_a_film_that_is_too_large_for_a_browser_is_one_sentence() -> None:
    film = a_film()
    assert packed_size(film) == pytest.approx(len(film.to_bytes()), rel=0.5)
    check_size(film, most=packed_size(film))
    with pytest.raises(FilmTooLarge, match=r"^The moving picture would have 0 MB: up to 0 are sent to a browser\. Its"):
        check_size(film, most=packed_size(film) - 1)
    x = np.arange(4_000_000.0)
    still = np.broadcast_to(np.zeros(1), (5, len(x)))  # no memory of its own: what it would take packed counts
    curves = Curves("wide", "wide", x=x, x_label="k", y_label="σ", series=(Curve("a", "a", "A", still),), span=12)
    with pytest.raises(Refusal, match="would have 96 MB: up to 64 are sent"):
        Film(axis="step", values=np.arange(5.0), start=0, panels=(curves,)).to_bytes()
