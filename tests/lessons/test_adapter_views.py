"""What the pages of files say is what the files hold, NaN and nothing included."""

import json

import numpy as np
import torch
from safetensors.torch import save as save_torch

from lora_viz.adapters.compare import compare
from lora_viz.adapters.extract import changes
from lora_viz.adapters.opening import Opened, open_adapter, open_weights
from lora_viz.adapters.report import Report, inspect_adapter
from lora_viz.film.panels import Bars, Field, Film, Lines
from lora_viz.lessons.real import extract as weight_change
from lora_viz.lessons.real import inspector as adapter_report
from lora_viz.lessons.real import two_adapters as adapter_pair


def spiked(*sigma: float, d_out: int = 11, d_in: int = 13, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Factors whose product has exactly these singular values."""
    g = torch.Generator().manual_seed(seed)
    u = torch.linalg.qr(torch.randn(d_out, len(sigma), generator=g).double())[0]
    v = torch.linalg.qr(torch.randn(d_in, len(sigma), generator=g).double())[0]
    return torch.tensor(sigma).double()[:, None] * v.T, u


def file_of(modules: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> tuple[Opened, Report]:
    tensors = {}
    for path, (A, B) in modules.items():
        tensors |= {f"{path}.lora_A.weight": A.clone().contiguous(), f"{path}.lora_B.weight": B.clone().contiguous()}
    opened = open_adapter("mine", save_torch(tensors), b'{"lora_alpha": 4}')
    return opened, inspect_adapter(opened)


def record() -> adapter_report.AdapterReport:
    broken = spiked(1.0, 1.0, 1.0, 1.0)
    broken[0][0, 0] = torch.nan
    idle = spiked(1.0, 1.0, 1.0, 1.0)
    modules = {
        "net.0.q": spiked(4.0, 2.0, 1.0, 1.0),
        "net.0.v": spiked(1.0, 1.0, 1.0, 1.0, seed=1),
        "net.1.q": (idle[0], 0 * idle[1]),
        "net.1.v": broken,
    }
    return adapter_report.adapter_report(file_of(modules)[1], (np.nan,) * 4)


def panel(film: Film, kind: type) -> object:
    return next(p for p in film.panels if isinstance(p, kind))


def test_the_record_is_the_files() -> None:
    r = record()
    assert (r.kinds, r.layers) == (("q", "v"), ("0", "1"))
    np.testing.assert_allclose(r.sigma[0], [4, 2, 1, 1], rtol=1e-12)
    np.testing.assert_allclose(r.energy[0], np.array([0, 16, 20, 21, 22]) / 22, rtol=1e-12)
    assert r.needs[0].tolist() == [2, 3, 4] and r.needs[1].tolist() == [4, 4, 4]
    assert np.isnan(r.energy[2:]).all() and (r.sigma[2] == 0).all() and np.isnan(r.sigma[3]).all()
    assert r.not_finite.tolist() == [0, 0, 0, 1]


def test_the_map_shows_what_was_asked_and_hatches_what_is_not_known() -> None:
    r = record()
    needed = panel(adapter_report.film(r, level=0.9), Field)
    assert isinstance(needed, Field)
    np.testing.assert_array_equal(needed.values, [[2, 0], [4, np.nan]])
    balance = panel(adapter_report.film(r, shown="balance"), Field)
    assert isinstance(balance, Field)
    np.testing.assert_allclose(balance.values, [[22**0.5 / 2, np.nan], [1, np.nan]], rtol=1e-12)
    assert needed.regions is not None
    assert [tuple(int(x[0]) for x in np.nonzero(region)) for region in needed.regions] == [
        (0, 0),
        (1, 0),
        (0, 1),
        (1, 1),
    ]


def test_what_is_said_of_each_module() -> None:
    told = adapter_report.film(record(), level=0.9).narration
    assert told[0] == "net.0.q: 2 of 4 directions hold 91 % of the energy, the next adds 4.55 %."
    assert "ΔW = 0" in told[2] and "1 of its numbers are not finite" in told[3]
    said = adapter_report.takeaway(record(), level=0.9)
    assert said.startswith("mine: 2 modules given rank 4; 90 % of each update's energy lies in 2 to 4 directions")
    assert "1 module with ΔW = 0." in said and "1 module with numbers that are not finite." in said
    columns = adapter_report.table(record())
    assert len({len(column) for column in columns.values()}) == 1
    json.dumps({name: column.tolist() for name, column in columns.items()})


def test_rounding_is_drawn_only_where_it_was_measured() -> None:
    r = record()
    bars = panel(adapter_report.film(r), Bars)
    assert isinstance(bars, Bars) and [g.name for g in bars.groups] == ["σ of ΔW"]
    bars = panel(adapter_report.film(r._replace(noise=np.array([1e-3, np.nan, 2e-3, np.nan]))), Bars)
    assert isinstance(bars, Bars) and bars.groups[1].values[:, 0].tolist() == [1e-3, 0, 2e-3, 0]


def test_an_adapter_beside_itself_and_beside_another() -> None:
    A, B = spiked(4.0, 2.0, 1.0)
    idle = (A, 0 * B)
    one = file_of({"net.0.q": (A, B), "net.1.q": spiked(3.0, 1.0, 1.0, seed=1), "net.2.q": idle, "net.3.k": (A, B)})
    other = file_of({"net.0.q": (A, B), "net.1.q": spiked(3.0, 1.0, 1.0, seed=2), "net.2.q": (A, B)})
    r = adapter_pair.adapter_pair(compare(one, other))
    assert r.only == (1, 0)
    np.testing.assert_allclose(r.overlap[:, 0], 1, rtol=1e-12)
    assert r.numerical[:, :2].T.tolist() == [[3, 3, 3], [3, 3, 6]]
    assert "nothing to share" in adapter_pair.film(r).narration[2]
    assert "Adding the two adds their ranks in 1 of them" in adapter_pair.takeaway(r)
    assert "Without counterpart: 1 module of the first, 0 of the second." in adapter_pair.takeaway(r)
    lines = panel(adapter_pair.film(r), Lines)
    assert isinstance(lines, Lines)
    np.testing.assert_array_equal(lines.series[0].y, r.overlap[0])


def test_the_energy_that_a_rank_keeps() -> None:
    A, B = spiked(4.0, 2.0, 1.0, 1.0)
    W = torch.randn(11, 13, generator=torch.Generator().manual_seed(5)).double()
    base, tuned = (
        open_weights("w", save_torch({"a.weight": m, "b.bias": torch.full((3,), x)}))
        for m, x in ((W, 0.0), (W + B @ A, 1.0))
    )
    r = weight_change.weight_change(changes(("base", "tuned"), base, tuned))
    np.testing.assert_allclose(r.kept[0, :5], np.array([0, 16, 20, 21, 22]) / 22, atol=1e-12)
    assert r.flat[0, 4] == 4 / 11
    assert weight_change.film(r, rank=2).narration == (
        "a.weight: the best update of rank 2 keeps 90.9 % of what fine-tuning did to it.",
    )
    said = weight_change.takeaway(r, rank=2)
    assert "a LoRA of rank 2 keeps 90.9 % of the energy" in said and "1 vector changed too" in said
