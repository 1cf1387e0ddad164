"""The player's JavaScript against Python: the same numbers, film and layer. Asked of Node: no browser is needed."""

import base64
import json
import math
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lora_viz.film import player, written
from lora_viz.film.style import number
from tests.test_film import a_film, same
from tests.test_numbers import FILM

PLAYER = Path(player.__file__).parent
VALUES = [
    *(0.0, 1.0, -1.0, 0.5, 3.14159, 12.3456, 99.96, 100.2, 1234.6, 99999.0, 123456.0),
    *(1e-3, 9.996e-4, 1.523e-15, -2.5e-7, 1e30, math.nan, math.inf, -math.inf),
]


def node(script: str, given: Any = None) -> Any:
    """What this module of JavaScript answers: it reads ``given`` and calls ``answer``."""
    prepared = """
        import { readFileSync } from "node:fs";
        const given = JSON.parse(readFileSync(0, "utf-8"));
        const answer = (value) => console.log(JSON.stringify(value));
    """ + re.sub(r'from "(\w+\.js)"', rf'from "{PLAYER.as_uri()}/\1"', script)
    command = ["node", "--input-type=module", "--eval", prepared]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_is_written_for_the_player_is_what_the_film_says() -> None:
    for name, text in written.files().items():
        assert (PLAYER / name).read_text(encoding="utf-8") == text, "`python -m lora_viz.film.written` brings it up"


def test_numbers_are_written_as_python_writes_them() -> None:
    given = [repr(value).replace("nan", "NaN").replace("inf", "Infinity") for value in VALUES]
    script = 'import { format } from "numbers.js"; answer(given.map((text) => format(Number(text))));'
    assert node(script, given) == [number(value) for value in VALUES]


@pytest.mark.parametrize("film", [a_film(), FILM], ids=["every array", "every kind"])
def test_the_reader_takes_what_python_packed(film: Any) -> None:
    script = """
        import { decode } from "decode.js";
        import { Tensor } from "tensor.js";
        const plain = (value) =>
            value instanceof Tensor ? { shape: value.shape, data: [...value.data].map((v) => (isNaN(v) ? null : v)) }
            : Array.isArray(value) ? value.map(plain)
            : value && typeof value === "object"
                ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)])) : value;
        answer(plain(decode(Uint8Array.from(atob(given), (c) => c.charCodeAt(0))).film));
    """

    def arrays(value: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"shape", "data"}:
            return np.array([math.nan if v is None else v for v in value["data"]], "f4").reshape(value["shape"])
        if isinstance(value, dict):
            return {key: arrays(item) for key, item in value.items()}
        return [arrays(item) for item in value] if isinstance(value, list) else value

    found = node(script, base64.b64encode(film.to_bytes()).decode())
    assert same(film, arrays(found)) > 10


def test_the_players_layer_is_pythons() -> None:
    rng = np.random.default_rng(5)
    m, n, r, s = 5, 7, 3, 1.7
    W, A, B = rng.standard_normal((m, n)), rng.standard_normal((r, n)), rng.standard_normal((m, r))
    x, target = rng.standard_normal(n), rng.standard_normal(m)
    given = {name: value.ravel().tolist() for name, value in {"W": W, "A": A, "B": B, "x": x, "target": target}.items()}
    script = f"""
        import {{ layerState }} from "layer.js";
        answer([[], [1]].map((off) => layerState({{ ...given, scaling: {s} }}, {m}, {n}, {r}, new Set(off))));
    """
    for off, found in zip(([], [1]), node(script, given), strict=True):
        a, b = A.copy(), B.copy()
        a[off], b[:, off] = 0, 0
        h, y = a @ x, W @ x + s * b @ a @ x
        g = y - target
        expected = {
            "h": h,
            "u": b @ h,
            "base": W @ x,
            "y": y,
            "g": g,
            "delta": s * b @ a,
            "gradB": s * np.outer(g, h),
            "gradA": s * np.outer(b.T @ g, x),
            "loss": 0.5 * g @ g,
            "sigma": np.linalg.svd(s * b @ a, compute_uv=False)[:r],
        }
        for name, value in expected.items():
            np.testing.assert_allclose(np.ravel(found[name]), np.ravel(value), rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("script", [player.SCRIPT, player.LEAVES_SCRIPT, player.SPEAKER_SCRIPT, player.ROOM_SCRIPT])
def test_the_browser_gets_one_script(script: str, tmp_path: Path) -> None:
    assert not re.search(r"^import ", script, re.M) and "/** @" not in re.sub(r"/\*\* @type [^\n]*? \*/ ", "", script)
    (tmp_path / "script.mjs").write_text(script, encoding="utf-8")
    subprocess.run(["node", "--check", tmp_path / "script.mjs"], check=True, timeout=60)


def test_every_module_reaches_the_browser() -> None:
    shipped = player.LEAVES_SCRIPT + player.SPEAKER_SCRIPT + player.PLAIN_SCRIPT + player.ROOM_SCRIPT
    for path in PLAYER.glob("*.js"):
        if path.read_text(encoding="utf-8") == player.ELEMENT_SCRIPT:  # as it is, for pages of others
            continue
        assert f"const its_{path.stem}_js = " in shipped, path.name


def test_a_long_text_may_be_said_in_pieces() -> None:
    assert player.said_in_script('say("a"); say(\n  "b {c}, " +\n  "d \\"e\\"",\n  {}); say(text)') == (
        "a",
        'b {c}, d "e"',
    )


def test_no_line_is_longer_than_a_screen() -> None:
    for path in (p for p in PLAYER.iterdir() if p.suffix in (".js", ".ts", ".css", ".html")):
        for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert len(line) <= 120, f"{path.name}:{i}"
