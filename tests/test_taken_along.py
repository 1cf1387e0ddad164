"""What leaves with a visitor: no cell is a formula, no name a path."""

import ast
import csv
import io
import json

import numpy as np
import pytest

from lora_viz.export.columns_json import as_json
from lora_viz.export.taken_along import cell, csv_text, file_name
from tests.test_floors import ROOT


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1+1", "-", "-x"]
)
def test_a_text_that_would_be_computed_stands_behind_an_apostrophe(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-0.5", "+3", "-1e-7", "-.5", "-inf", "q_proj", "a=b", "", "0.5", "−0.5", "(r = 4)"])
def test_numbers_and_words_stay(text: str) -> None:
    assert cell(text) == text


def test_a_table_is_written_with_harmless_cells_and_heads() -> None:
    table = {
        "=x": np.array(["=1", "b", "\u2068[c]\u2069"]),
        "y": np.array([-0.5, np.nan, 3.0]),
        "n": np.array([1, -2, 3]),
    }
    rows = list(csv.reader(io.StringIO(csv_text(table))))
    assert rows == [["'=x", "y", "n"], ["'=1", "-0.5", "1"], ["b", "nan", "-2"], ["[c]", "3.0", "3"]]


def test_half_a_character_can_be_taken_along() -> None:
    table = {"x\ud800": np.array(["a\udfff", "b"], dtype=object)}
    csv_text(table).encode()
    assert json.loads(as_json(table)) == {"x?": ["a?", "b"]}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("adapter_model.safetensors", "adapter_model.safetensors"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..\\..\\x.exe", "_.._x.exe"),
        ("C:\\x", "C__x"),
        (".bashrc", "bashrc"),
        ("con.txt", "_con.txt"),
        ("", "file"),
        ("...", "file"),
        ("a\u202etxt.exe", "a_txt.exe"),
        ("a\nb\x00.csv", "a_b_.csv"),
        ("größe.csv", "größe.csv"),
    ],
)
def test_a_name_is_a_name_and_nothing_else(given: str, found: str) -> None:
    assert file_name(given) == found


def test_long_names_keep_their_ending() -> None:
    name = file_name("a" * 400 + ".safetensors")
    assert len(name) <= 120 and name.endswith("a.safetensors")
    assert len(file_name("a." + "b" * 400)) <= 120


def test_every_file_that_is_offered_has_such_a_name() -> None:
    found = 0
    for path in (ROOT / "lora_viz" / "ui").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "download_button":
                assert getattr(getattr(node.args[2], "func", None), "id", "") == "file_name", f"{path}:{node.lineno}"
                found += 1
    assert found >= 4
