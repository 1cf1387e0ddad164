"""First updates against −G: under their bounds, at them where a start is made from G, as a law says where random."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import train
from lora_viz.film.paper import printed
from lora_viz.lessons.training.init_alignment import PART as LESSON
from lora_viz.lessons.training.init_alignment import (
    STARTS,
    InitAlignment,
    alignment_sweep,
    film,
    init_alignment,
    table,
    takeaway,
)

RANKS = (1, 2, 4, 8, 16)
ODD = Experiment(
    task="full_rank", d_in=53, d_out=41, samples=211, condition=10.0, rank=1, alpha=16.0, optimizer="sgd", lr=1e-4,
    spectrum="flat", init="lora_ga",
)  # fmt: skip


def record(ranks: tuple[int, ...] = RANKS, **change: object) -> InitAlignment:
    e = replace(ODD, **change)  # type: ignore[arg-type]
    return init_alignment(train(alignment_sweep(e, ranks), records=2), e.init)


@pytest.fixture(scope="module")
def plain() -> InitAlignment:
    return record()


def test_no_update_points_further_than_its_rank_allows(plain: InitAlignment) -> None:
    assert tuple(plain.inits) == tuple(STARTS)
    assert (plain.cosine[2] <= plain.bound + 1e-9).all()
    assert (plain.cosine[0] > 0).all()
    ranks = np.array(RANKS)
    for name, times in (("B_zero", 1), ("A_zero", 1), ("eva", 1), ("pissa", 2), ("lora_ga", 2)):
        np.testing.assert_array_equal(plain.rank[plain.inits.index(name)], np.minimum(times * ranks, 41), err_msg=name)


def test_lora_ga_reaches_the_bound(plain: InitAlignment) -> None:
    i = plain.inits.index("lora_ga")
    np.testing.assert_allclose(plain.cosine[1, i], plain.bound[i], rtol=1e-3)  # the rest is η²


def test_eva_is_good_where_the_inputs_have_directions() -> None:
    cosine = {c: record((8,), condition=c).cosine[1, list(STARTS).index("eva"), 0] for c in (1.0, 10.0, 100.0)}
    assert cosine[1.0] + 0.2 < cosine[10.0] < cosine[100.0]


def test_random_a_sees_its_share_of_a_gradient_without_directions() -> None:
    for seed in (0, 1, 2):
        found = record(condition=1.0, seed=seed)
        own = found.inits.index("B_zero")
        np.testing.assert_allclose(found.cosine[1, own], found.expected, rtol=0.12)
        assert found.seeds == 8


def test_cosines_are_those_of_single_runs(plain: InitAlignment) -> None:
    e = replace(ODD, init="pissa", rank=4, steps=1)
    run = train(Sweep((e,)), records=2)
    before, after = run.delta_weight()
    G = -run.task.cross_covariance
    step = after - before
    expected = -np.sum(step * G) / np.linalg.norm(step) / np.linalg.norm(G)
    assert plain.cosine[1, plain.inits.index("pissa"), 2] == pytest.approx(expected, rel=1e-6)


def test_what_is_said_is_what_was_measured(plain: InitAlignment) -> None:
    assert "At rank 8, LoRA's first update has cosine" in takeaway(plain)
    assert "LoRA-GA has" in takeaway(plain)
    assert "of rank 16" in takeaway(plain)
    assert "cosine with −G, LoRA " in film(plain).narration[0]
    assert record((1, 8), init="B_zero").rival == "lora_ga"
    np.testing.assert_array_equal(table(plain)["bound_eva"], plain.bound[plain.inits.index("eva")])


@pytest.mark.parametrize("change", [{}, {"lr": 1e6}], ids=["normal", "diverged"])
def test_the_figure_draws_cosines_and_their_bound(change: dict[str, object]) -> None:
    found = record((1, 8), **change)
    drawn = printed(film(found), LESSON.on_paper, theme="dark").data
    names = ("B_zero", "A_zero", found.rival)
    assert [curve.name for curve in drawn] == [*(STARTS[n][1] for n in names), "√(r/(r+d+1))", "maximum, rank r"]
    cosines = [found.cosine[1, found.inits.index(name)] for name in names]
    for curve, expected in zip(drawn, (*cosines, found.expected, found.bound[0]), strict=True):
        np.testing.assert_array_equal(curve.x, found.ranks)
        np.testing.assert_array_equal(curve.y, expected)
