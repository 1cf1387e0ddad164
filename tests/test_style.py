"""How numbers are written, and whether the colours can be read and told apart."""

import itertools
import math
import re

import numpy as np
import pytest

from lora_viz.film.style import DIVERGING, IDENTITY, number, numbers, percent, plotly_layout, tint
from tests.browser import ROOT

PAPER = {"light": "#ffffff", "dark": "#10141b"}


def luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance of "#rrggbb"."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=5e-3)  # WCAG's well-known last grey


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (-0.0, "0"),
        (math.nan, "—"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (1.52e-15, "1.52·10⁻¹⁵"),
        (-1.52e-15, "−1.52·10⁻¹⁵"),
        (5e-324, "4.94·10⁻³²⁴"),
        (1.7e300, "1.70·10³⁰⁰"),
        (1e-3, "0.001"),
        (-1e-3, "−0.001"),
        (9.99e-4, "9.99·10⁻⁴"),
        (0.5, "0.5"),
        (1 / 3, "0.333"),
        (2, "2"),
        (2.0, "2"),
        (-2.718, "−2.72"),
        (99.4, "99.4"),
        (99.96, "100"),
        (161, "161"),
        (-161.2, "−161"),
        (12345.4, "12345"),
        (-1234.6, "−1235"),
        (123456, "1.23·10⁵"),
        (-123456.0, "−1.23·10⁵"),
        (1e5, "1.00·10⁵"),
        (np.float64(0.125), "0.125"),
        (np.float32(0.25), "0.25"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text
    assert numbers([value, value]) == (text, text)


@pytest.mark.parametrize("value", [x * 10.0**k for k in range(-20, 21, 3) for x in (1.0, 1.2345, -9.87)])
def test_number_is_within_half_a_percent_and_has_no_ascii_sign(value: float) -> None:
    text = number(value)
    assert not set(text) & set("e-+,")
    mantissa, _, power = text.replace("−", "-").partition("·10")
    exponent = int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)
    read = float("".join(mantissa.split())) * 10.0**exponent
    assert read == pytest.approx(value, rel=5e-3)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", list(IDENTITY["light"]))
def test_colours_can_be_read(theme: str, name: str) -> None:
    assert contrast(IDENTITY[theme][name], PAPER[theme]) >= 4.5


def test_themes_name_the_same_distinct_colours() -> None:
    assert set(IDENTITY) == set(DIVERGING) == {"light", "dark"}
    assert set(IDENTITY["light"]) == set(IDENTITY["dark"])
    for theme in IDENTITY.values():
        assert len(set(theme.values())) == len(theme)


# What is seen without one kind of cones, in linear RGB: Machado, Oliveira & Fernandes 2009, severity 1.
SEEN = {
    "all": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]


def lab(colour: str, seen: np.ndarray | list[list[float]]) -> np.ndarray:
    """CIELAB under D65 of "#rrggbb", seen so."""
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    xyz = np.array(TO_XYZ) @ np.clip(np.array(seen) @ linear, 0, 1) / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_lab_of_red_is_the_tables() -> None:
    np.testing.assert_allclose(lab("#ff0000", SEEN["all"]), [53.24, 80.09, 67.20], atol=0.02)
    np.testing.assert_allclose(lab("#ffffff", SEEN["deutan"]), [100, 0, 0], atol=0.2)


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_two_colours_look_alike_whatever_cones_one_has(theme: str, seen: str) -> None:
    found = {name: lab(colour, SEEN[seen]) for name, colour in IDENTITY[theme].items()}
    alike = {
        (one, other): float(np.linalg.norm(found[one] - found[other]))
        for one, other in itertools.combinations(found, 2)
        if np.linalg.norm(found[one] - found[other]) < 15
    }
    assert not alike


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_is_yet_to_come_is_faint_and_still_seen(theme: str) -> None:
    """WCAG 1.4.11: 3:1 for what is drawn, also for the part of a curve that lies ahead of the playhead."""
    script = (ROOT / "lora_viz" / "film" / "player" / "colours.js").read_text(encoding="utf-8")
    dark, light = map(float, re.search(r"future: dark \? ([\d.]+) : ([\d.]+)", script).groups())  # type: ignore[union-attr]
    share = {"light": light, "dark": dark}[theme]
    for name, colour in IDENTITY[theme].items():
        mixed = [
            round(share * int(colour[i : i + 2], 16) + (1 - share) * int(PAPER[theme][i : i + 2], 16))
            for i in (1, 3, 5)
        ]
        assert contrast(f"#{bytes(mixed).hex()}", PAPER[theme]) >= 3, name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_zero_is_the_paper_and_signs_stand_out(theme: str) -> None:
    low, middle, high = DIVERGING[theme]
    assert contrast(middle, PAPER[theme]) < 1.15
    assert contrast(low, middle) > 4.5
    assert contrast(high, middle) > 4.5
    assert low != high
    assert not {low, high} & set(IDENTITY[theme].values()), "a sign is no letter"


@pytest.mark.parametrize("name", ["W", "A", "B", "delta"])
def test_formulas_are_readable_on_both_papers(name: str) -> None:
    text = tint(name, r"\Delta W")
    assert text.startswith(r"\textcolor{#") and text.endswith(r"}{\Delta W}")
    colour = text[len(r"\textcolor{") :][:7]
    assert min(contrast(colour, paper) for paper in PAPER.values()) >= 3.0  # WCAG's bound for large text


def test_plotly_layout_can_be_overruled() -> None:
    assert plotly_layout(height=560, title="x")["height"] == 560
    assert plotly_layout()["height"] == 460


def test_a_share_is_written_as_percent_and_rounding_as_nothing() -> None:
    assert [percent(share) for share in (0.0, 3e-13, 0.1234, 1.0)] == ["0 %", "0 %", "12.3 %", "100 %"]
    assert percent(3e-13, rounding=1e-13) == f"{number(3e-11)} %"
    assert percent(1e-10, rounding=1e-9) == "0 %"
