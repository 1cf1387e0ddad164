"""One torch thread while something trains, and what was there before as soon as it ends, whoever else still trains."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
import torch

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.threads import each_step_in_one_thread, one_thread
from lora_viz.engine.training import train

THREE = 3  # a number that no machine has by itself


@pytest.fixture(autouse=True)
def _three() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(THREE)
    yield
    torch.set_num_threads(before)


def fresh() -> int:
    """The number that a thread of Python begins with."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


def test_inside_it_is_one_and_afterwards_what_it_was() -> None:
    with one_thread():
        assert torch.get_num_threads() == 1
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1, "the inner one leaves the outer one alone"
    assert torch.get_num_threads() == fresh() == THREE


def test_an_exception_puts_it_back_too() -> None:
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert torch.get_num_threads() == fresh() == THREE
    with one_thread():
        assert torch.get_num_threads() == 1


@pytest.mark.parametrize("first_to_go", [0, 1])
def test_two_that_overlap_do_not_disturb_each_other(first_to_go: int) -> None:
    """The first opens, the second opens in a fresh thread, then either leaves first."""
    entered, met, gone = Event(), Barrier(2), Event()

    def trains(number: int) -> tuple[int, int, int]:
        if number == 1:
            entered.wait()
        with one_thread():
            entered.set()
            met.wait()
            if number != first_to_go:
                gone.wait()
            inside = torch.get_num_threads()
        after = torch.get_num_threads()
        gone.set()
        met.wait()
        return inside, after, torch.get_num_threads()

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(trains, (0, 1)))
    assert found == [(1, THREE, THREE)] * 2
    assert torch.get_num_threads() == fresh() == THREE


def test_many_at_once_end_where_they_began() -> None:
    def often(_: int) -> int:
        for _again in range(50):
            with one_thread():
                assert torch.get_num_threads() == 1
        return torch.get_num_threads()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(often, range(8))) == {THREE}
    assert torch.get_num_threads() == fresh() == THREE


def test_between_the_steps_of_a_generator_it_is_what_it_was() -> None:
    @each_step_in_one_thread
    def counting(n: int) -> Iterator[int]:
        for _ in range(n):
            yield torch.get_num_threads()
        raise ZeroDivisionError

    steps = counting(2)
    for _ in range(2):
        assert next(steps) == 1
        assert torch.get_num_threads() == THREE
    with pytest.raises(ZeroDivisionError):
        next(steps)
    assert torch.get_num_threads() == fresh() == THREE


def test_training_leaves_the_number_alone(small: Experiment) -> None:
    train(Sweep((small,)), records=2)
    assert torch.get_num_threads() == fresh() == THREE
