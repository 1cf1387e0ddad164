"""Merging for real, against NumPy in float64, bfloat16 by bits, and torch's own count of operations."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, ExperimentError, Sweep
from lora_viz.core.random_streams import stream
from lora_viz.core.run import MergeReport, Run
from lora_viz.engine.training import train
from lora_viz.layer.merging import DTYPES, MISTAKES, SIZES, TOKENS, merge_report

SQUARE = Experiment(d_in=11, d_out=11, target_rank=3, rank=3, alpha=7.5, lr=0.02, steps=50, seed=3)  # s = 2.5
FP64, FP32, FP16, BF16 = range(4)


def trained(e: Experiment) -> Run:
    return train(Sweep((e,)), records=2)


@pytest.fixture(scope="module")
def run() -> Run:
    return trained(SQUARE)


@pytest.fixture(scope="module")
def report(run: Run) -> MergeReport:
    return merge_report(run)


@pytest.fixture(scope="module")
def wide() -> MergeReport:
    """d = 64, where a share of weights means something."""
    return merge_report(trained(replace(SQUARE, d_in=64, d_out=64)), sizes=(1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0))


def at(report: MergeReport, size: float) -> int:
    row = int(np.argmin(np.abs(np.log(report.sizes / size))))
    assert report.sizes[row] == pytest.approx(size)
    return row


def test_full_precision_is_the_same_to_rounding(report: MergeReport) -> None:
    assert report.dtypes == DTYPES == ("float64", "float32", "float16", "bfloat16")
    assert 0 < report.max_difference[:, FP64].max() < 1e-13
    assert 1e-13 < report.max_difference[:, FP32].max() < 1e-5


def test_fewer_digits_differ_more(report: MergeReport) -> None:
    differ = report.relative_difference[at(report, 1e-1)]
    assert (np.diff(differ) > 0).all()
    assert 0 < differ[FP64] < 1e-13
    assert 1e-4 < differ[BF16] < 1e-1


def test_sizes_are_what_they_say(report: MergeReport, run: Run) -> None:
    np.testing.assert_array_equal(report.sizes, SIZES)
    W, learnt = run.task.base_weight, run.delta_weight()[-1]
    measured = np.linalg.norm(report.delta, axis=(1, 2)) / np.linalg.norm(W)
    np.testing.assert_allclose(measured, report.sizes, rtol=1e-12)
    assert report.trained_size == pytest.approx(np.linalg.norm(learnt) / np.linalg.norm(W), rel=1e-12)
    for delta in report.delta:
        np.testing.assert_allclose(delta / np.linalg.norm(delta), learnt / np.linalg.norm(learnt), atol=1e-12)


@pytest.mark.parametrize("shown", DTYPES)
def test_what_arrived_is_the_difference_of_the_weights(run: Run, shown: str) -> None:
    report = merge_report(run, shown=shown, sizes=(1e-3, 1e-1))
    column = DTYPES.index(shown)
    assert report.shown == column
    np.testing.assert_array_equal(report.merged - report.base, report.arrived)
    still = (report.arrived == 0).mean(axis=(1, 2))
    np.testing.assert_allclose(still, report.unchanged[:, column], atol=1e-12)
    lost = np.linalg.norm(report.arrived - report.delta, axis=(1, 2)) / np.linalg.norm(report.delta, axis=(1, 2))
    np.testing.assert_allclose(lost, report.lost[:, column], rtol=1e-9)
    digits = (1e-16, 1e-7, 1e-3, 1e-2)[column]
    np.testing.assert_allclose(report.base, run.task.base_weight, rtol=digits, atol=1e-6 if column > 1 else 0)


def test_the_base_weight_is_left_alone(run: Run) -> None:
    before = run.task.base_weight.copy()
    merge_report(run, sizes=(1.0,))
    np.testing.assert_array_equal(run.task.base_weight, before)


def test_the_smaller_the_update_the_more_weights_stay(wide: MergeReport) -> None:
    assert (np.diff(wide.unchanged[:, BF16]) < 0).all()
    assert wide.unchanged[at(wide, 1e-5), BF16] > 0.95
    assert 0.7 < wide.unchanged[at(wide, 1e-3), BF16] < 0.9  # the lesson says: 79 %
    assert wide.unchanged[at(wide, 1e-3), FP32] <= 0.03
    assert wide.unchanged[:, FP64].max() == 0
    assert (np.diff(wide.lost[:, BF16]) < 0).all()


def bfloat16(x: np.ndarray) -> np.ndarray:
    """Round float32 to bfloat16, half to even, by its bits."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) & np.uint64(0xFFFF0000)
    return rounded.astype(np.uint32).view(np.float32)


def test_bfloat16_against_its_bits(run: Run) -> None:
    report = merge_report(run, sizes=(1e-3, 1e-2, 1e-1))
    A, B, s = run.A[0][-1], run.B[0][-1], SQUARE.scaling
    for row, size in enumerate(report.sizes):
        a, b = bfloat16(A), bfloat16(B * (size / report.trained_size))
        W = bfloat16(run.task.base_weight)
        merged = bfloat16(W + bfloat16(np.float32(s) * (b @ a)))
        np.testing.assert_array_equal(report.base, W)
        assert (report.merged[row] != merged).sum() <= 1  # a sum in another order may turn a tie
        assert abs((merged == W).mean() - report.unchanged[row, BF16]) <= 1.01 / W.size


def outputs(run: Run, report: MergeReport, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = stream("tokens", SQUARE.seed).standard_normal((TOKENS, SQUARE.d_in))
    delta = report.delta[row]
    return x, x @ delta.T, x @ (run.task.base_weight + delta).T


@pytest.mark.parametrize("size", [1e-3, 1e-1, 1.0])
def test_mistakes_against_numpy(report: MergeReport, run: Run, size: float) -> None:
    row = at(report, size)
    x, update, y = outputs(run, report, row)
    expected = {"twice": update, "no s": update * (1 / SQUARE.scaling - 1), "ΔWᵀ": x @ report.delta[row] - update}
    assert report.mistake_names == MISTAKES
    found = dict(zip(report.mistake_names, report.mistakes[row], strict=True))
    for name, error in expected.items():
        assert found[name] == pytest.approx(np.linalg.norm(error) / np.linalg.norm(y), rel=1e-3), name


def test_dropout_left_on_blurs_what_a_reads(report: MergeReport, run: Run) -> None:
    row = at(report, 1e-1)
    x, _, y = outputs(run, report, row)
    variance = 0.1 / 0.9  # of a kept-or-dropped entry, scaled by 1/0.9
    expected = np.sqrt(variance * (x**2 @ (report.delta[row] ** 2).sum(axis=0)).sum()) / np.linalg.norm(y)
    assert report.mistakes[row, MISTAKES.index("dropout")] == pytest.approx(expected, rel=0.3)


def test_right_is_far_better_than_every_mistake(report: MergeReport) -> None:
    right, *wrong = report.mistakes[at(report, 1e-1)]
    assert 0 < right < 1e-6
    assert right < min(wrong) / 1e4
    assert report.mistakes[at(report, 1e-1), 0] == pytest.approx(report.relative_difference[at(report, 1e-1), FP32])


def test_unmerging_drifts_by_rounding(report: MergeReport, run: Run) -> None:
    size = np.abs(run.task.base_weight).max() + np.abs(report.delta).max()
    for column, digits in enumerate((53, 24, 11, 8)):
        assert report.unmerge_drift[:, column].max() <= 2 * size * 2.0**-digits
    assert (report.unmerge_drift.max(axis=0) > 0).all()


@pytest.mark.parametrize("change", [{"steps": 0}, {"init": "both_zero"}], ids=str)
def test_nothing_learnt_merges_into_nothing(change: dict[str, object]) -> None:
    report = merge_report(trained(replace(SQUARE, **change)), sizes=(1e-3, 1.0))  # type: ignore[arg-type]
    assert report.trained_size == 0
    for numbers in (report.max_difference, report.unmerge_drift, report.lost, report.delta, report.arrived):
        assert not numbers.any()
    assert not report.mistakes.any()


def one_sentence(text: str) -> bool:
    """What was given, in one sentence; and behind it, where there is a choice, what is valid."""
    given, _, valid = text.partition(" Valid values: ")
    return text.endswith(".") and ". " not in given and ". " not in valid and "\n" not in text


def test_a_layer_that_is_not_square(small: Experiment) -> None:
    with pytest.raises(ExperimentError, match="5×7 is not square") as caught:
        merge_report(trained(small))
    assert one_sentence(str(caught.value))


def test_an_unknown_dtype(run: Run) -> None:
    with pytest.raises(ExperimentError, match=r"dtype=float8 is unknown\. Valid values: float64, float32") as caught:
        merge_report(run, shown="float8")
    assert one_sentence(str(caught.value))


@pytest.mark.parametrize("d", [(11, 11, 3), (13, 7, 5)], ids=str)
def test_costs_equal_torchs_count(d: tuple[int, int, int], report: MergeReport) -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from lora_viz.layer.lora import LoRALinear
    from lora_viz.lessons.basics.merge import merge_check

    def multiplications(module: torch.nn.Module) -> float:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(torch.ones(1, d[0]))
        return counter.get_total_flops() / 2

    record = merge_check(report, replace(SQUARE, d_in=d[0], d_out=d[1], rank=d[2]))
    layer = LoRALinear(torch.nn.Linear(d[0], d[1], bias=False), rank=d[2], alpha=6.0)
    assert record.cost_base == multiplications(layer.base)
    assert record.cost_unmerged == multiplications(layer)
    layer.merge()
    assert record.cost_merged == multiplications(layer)
    assert record.cost_unmerged > record.cost_merged
