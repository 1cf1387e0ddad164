"""What a file costs grows as the file does: work counted and memory traced while the input doubles."""

from __future__ import annotations

import gc
import json
import math
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lora_viz.adapters.config import Patterns, parse_config
from lora_viz.adapters.keys import find_pairs
from lora_viz.adapters.opening import open_adapter
from lora_viz.adapters.places import Place, places
from lora_viz.adapters.report import MODULE_LEAST, MODULES_FREE, inspect_adapter
from lora_viz.adapters.shrink import shrink
from lora_viz.adapters.stored import AdapterError
from lora_viz.adapters.writing import pack, write_safetensors
from lora_viz.core.experiment import Experiment
from lora_viz.lessons.real import inspector
from lora_viz.lessons.real import module_map as module_map_of
from lora_viz.lessons.real.adapter_report import adapter_report, directions_shown
from lora_viz.lessons.real.inspector import film
from lora_viz.lessons.real.module_map import module_map
from lora_viz.lessons.settings import Settings

ROOT = Path(__file__).parent.parent.parent
MOST = 1.25  # exponent: linear work with something that grows as a logarithm stays below it
ASKED = Settings(Experiment(), (("keep", 90), ("map", "needed")))


@contextmanager
def counted() -> Iterator[list[int]]:
    """Calls of Python and of C, comparisons of ``Counted`` among them."""
    calls = [0]

    def seen(frame: object, event: str, arg: object) -> None:
        calls[0] += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        yield calls
    finally:
        sys.setprofile(before)


class Counted(str):
    """A text whose comparisons are calls, so that a search through a tuple is counted as the work that it is."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)


def exponent(work: Callable[[int], Any], size: int, measure: Callable[[Callable[[], Any]], float]) -> float:
    """log₂ of how much more it takes at twice the size, the second doubling."""
    work(3)  # whatever happens once
    small, large = (measure(lambda n=n: work(n)) for n in (2 * size, 4 * size))
    return math.log2(large / small)


def calls(work: Callable[[], Any]) -> float:
    with counted() as found:
        work()
    return found[0]


def memory(work: Callable[[], Any], times: int = 2) -> float:
    """The peak, in bytes: the least of two, since what other threads of this process take meanwhile is traced too."""

    def once() -> float:
        gc.collect()
        tracemalloc.start()
        try:
            kept = work()
            del kept
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return min(once() for _ in range(times))


def modules(count: int, name: str = "l.{i}.k{i}", widest: int = 1) -> bytes:
    """So many modules of rank 1, whose kinds and layers both grow; the first as wide as is said."""
    tensors = {}
    for i in range(count):
        path, r = name.format(i=i), widest if i == 0 else 1
        tensors[f"{path}.lora_A.weight"] = pack(np.ones((r, max(2, r))), "F32")
        tensors[f"{path}.lora_B.weight"] = pack(np.ones((max(2, r), r)), "F32")
    return write_safetensors(tensors)


def drawn(data: bytes) -> bytes:
    report = inspect_adapter(open_adapter("a", data))
    return film(adapter_report(report, (math.nan,) * len(report.modules)), ASKED).to_bytes()


def cut(data: bytes) -> bytes:
    opened = open_adapter("a", data, b'{"lora_alpha": 1}')
    return shrink(opened, inspect_adapter(opened), 0.9).data


def with_little_for_nothing() -> None:
    """What a film may hold whatever the file's size is set low, so that a few modules show how the cost grows."""
    inspector.OUTLINED, module_map_of.CELLS_FREE = 500, 50


@pytest.fixture(scope="module")
def grown() -> dict[str, float]:
    """The exponents of work and memory, found in a process of their own: in ours, other tests' threads allocate too."""
    asked = (
        "import json; from tests.adapters.test_cost_of_files import *; with_little_for_nothing();"
        "works = {'drawn': lambda n: drawn(modules(n)), 'cut': lambda n: cut(modules(n))};"
        "print(json.dumps({f'{name} {measure.__name__}': exponent(work, 20, measure)"
        " for name, work in works.items() for measure in (calls, memory)}))"
    )
    return json.loads(subprocess.check_output([sys.executable, "-c", asked], cwd=ROOT, text=True))


@pytest.mark.parametrize("measure", ["calls", "memory"])
@pytest.mark.parametrize("work", ["drawn", "cut"])
def test_modules_of_new_kinds_and_layers_cost_their_number(grown: dict[str, float], work: str, measure: str) -> None:
    """Opened, inspected and drawn; opened, inspected and cut."""
    assert grown[f"{work} {measure}"] < MOST


def test_one_wide_module_does_not_widen_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert directions_shown(36, 1024) == 1024 and directions_shown(25_000, 1024) == 64
    monkeypatch.setattr("lora_viz.lessons.real.adapter_report.NUMBERS_MOST", 100 * 64)
    report = inspect_adapter(open_adapter("a", modules(100, widest=256)))
    record = adapter_report(report, (math.nan,) * 100)
    assert record.sigma.shape == (100, 64) and record.energy.shape == (100, 65)
    whole = report.modules[0].sigma
    assert record.held[0, 0] == pytest.approx(np.sum(whole[: report.modules[0].needs[0]] ** 2) / np.sum(whole**2))
    assert "of 256 directions" in film(record, ASKED).narration[0]


def test_maps_have_a_cell_a_module_and_few_more() -> None:
    def stand(n: int) -> list[Place]:
        return [Place(Counted(f"{i}"), Counted(f"kind {i}")) for i in range(n)]

    for n in (1, 7, 40, 63, 64, 65, 1000, 4099):
        found = module_map(stand(n))
        assert len(set(zip(found.row.tolist(), found.column.tolist(), strict=True))) == n
        assert found.cells <= 8 * n + 2000 and found.row.max() < len(found.rows)
        assert found.column.max() < len(found.columns)
    assert exponent(lambda n: module_map(stand(n)), 200, calls) < MOST
    same = module_map([Place("0", "q"), Place("0", "q"), Place("1", "q"), Place("0", "v")])
    assert (same.rows, same.columns) == (("q", "v"), ("0", "0 (2)", "1"))
    assert (same.row.tolist(), same.column.tolist()) == ([0, 0, 0, 1], [0, 1, 2, 0])


def test_many_tiny_modules_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reproduction had 15,000 in 2.5 MB and took 31 s, 4.4 GB and a film of 902 MB."""
    assert MODULES_FREE + 2_500_000 // MODULE_LEAST < 15_000
    monkeypatch.setattr("lora_viz.adapters.report.MODULES_FREE", 30)
    assert len(inspect_adapter(open_adapter("a", modules(30))).modules) == 30
    with pytest.raises(AdapterError, match=r"has 31 modules in 0\.0 MB of numbers: more than 30 are read"):
        inspect_adapter(open_adapter("a", modules(31)))


def test_patterns_and_paths_cost_their_sum_not_their_product() -> None:
    """The reproduction: 1,000 patterns on 20,000 modules, 10.9 s while everybody waited."""

    def work(n: int) -> float:
        config = parse_config(
            json.dumps({"peft_type": "LORA", "alpha_pattern": {f"m{i}.q": 3 for i in range(n)}}).encode()
        )
        return sum(config.scaling(f"a.b.m{i}.q", 4)[0] for i in range(n))

    assert exponent(work, 100, calls) < MOST
    with pytest.raises(AdapterError, match="alpha_pattern has 25,001 names: up to 25,000 are read"):
        parse_config(json.dumps({"peft_type": "LORA", "alpha_pattern": {f"m{i}": 3 for i in range(25_001)}}).encode())


def test_patterns_are_looked_up_as_peft_tries_them() -> None:
    given = {"2.q": 1.0, "q": 2.0, "^a.2.q": 3.0, r"^b\.k$": 4.0, "k": 5.0, "a.2.q": 6.0}
    found = Patterns(given)

    def tried(path: str) -> float:
        """PEFT's own rule, ``re.match(rf"(.*\\.)?({key})$", path)``, for keys that are names."""
        import re

        return next((v for k, v in given.items() if re.match(rf"(.*\.)?({k})$", path)), 0.0)

    for path in ("a.2.q", "x.a.2.q", "q", "b.k", "2.q", "x.k", "xk", "", ".", "..q", "k.", "22.q"):
        if path not in ("x.b.k",):  # ^ after (.*\.)? never matches below the top
            assert found.value(path, 0.0) == tried(path), path


@pytest.mark.parametrize("letters", ["a.", "lora_A.", "_lora", "0.", ".0", "#", "lora_A.weight."])
def test_long_names_cost_their_length(letters: str) -> None:
    def work(n: int) -> None:
        name = (letters * 500)[: 500 - 20]
        names = [f"{i}{name}.lora_{x}.weight" for i in range(n) for x in "AB"]
        places(pair.path for pair in find_pairs(names)[0])

    assert exponent(work, 20, calls) < MOST


@pytest.mark.parametrize("depth", [200, 900, 5000, 100_000])
@pytest.mark.parametrize("around", ['{"lora_alpha": %s}', '{"peft_type": %s}', '{"init_lora_weights": %s}'])
def test_deep_values_end_in_a_sentence(depth: int, around: str) -> None:
    for one, other in (("[", "]"), ('{"a":', "}")):
        text = (around % (one * depth + ("" if one == "[" else "1") + other * depth)).encode()
        try:
            parse_config(text)
        except AdapterError as error:
            assert len(str(error)) < 200


def test_memory_stays_within_eight_times_the_file() -> None:
    """One module that is nearly the whole file, 12 M numbers: measured, cut and compared a block at a time."""
    from lora_viz.adapters.compare import compare

    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((4, 2_999_977), "f4"), rng.standard_normal((13, 4))
    data = write_safetensors({"q.lora_A.weight": pack(A, "BF16"), "q.lora_B.weight": pack(B, "BF16")})
    opened = open_adapter("a", data, b'{"lora_alpha": 4}')
    a, b = (opened.weights.read(f"q.lora_{x}.weight").astype(float) for x in "AB")
    dense = np.linalg.svd(np.linalg.qr(a.T, mode="r") @ b.T, compute_uv=False)

    def work() -> None:
        report = inspect_adapter(opened)
        np.testing.assert_allclose(report.modules[0].sigma, dense, rtol=1e-9)
        cut = shrink(opened, report, 0.9)
        rank = int(cut.ranks[0])
        lost = math.sqrt(float(np.sum(dense[rank:] ** 2) / np.sum(dense**2)))
        assert cut.whole == pytest.approx(lost, rel=1e-2)
        (met,) = compare((opened, report), (opened, report)).modules
        assert (met.overlap_in, met.overlap_out, met.cosine) == pytest.approx((1, 1, 1), abs=1e-9)

    assert memory(work, times=1) < 8 * len(data) + 200e6
