"""The description of an experiment: checked at birth, and the same thing as its URL."""

from dataclasses import FrozenInstanceError, replace

import pytest

from lora_viz.core.experiment import CHOICES, LIMITS, Experiment, ExperimentError, Sweep, parse_field


def test_query_round_trip(small: Experiment) -> None:
    assert Experiment.from_query(small.to_query()) == small
    assert Experiment.from_query({"rank": "3", "embed": "true"}) == Experiment(rank=3)
    assert Experiment.from_query({"noise": "0.3"}, default=small) == replace(small, noise=0.3)


def test_every_field_is_limited_or_a_choice() -> None:
    names = set(Experiment().to_query())
    assert names == set(CHOICES) | set(LIMITS)
    assert not set(CHOICES) & set(LIMITS)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"rank": 25}, "rank=25 is not possible: a layer of 24×32 allows 1 to 24."),
        ({"target_rank": 30}, "target_rank=30 is not possible: a layer of 24×32 allows 0 to 24."),
        ({"rank": 0}, "rank=0 is out of range. Valid values: 1 to 512."),
        ({"rank": 2.5}, "rank=2.5 is not a whole number. Valid values: 1 to 512."),
        ({"rank": True}, "rank=True is not a whole number. Valid values: 1 to 512."),
        ({"lr": float("nan")}, "lr=nan is out of range. Valid values: 0 to 1e+06."),
        ({"lr": "0.1"}, "lr=0.1 is not a number. Valid values: 0 to 1e+06."),
        ({"optimizer": "lion"}, "optimizer=lion is unknown. Valid values: sgd, adam, adamw, scaled_gd."),
        ({"batch": 257}, "batch=257 is not possible: there are 256 samples (0 means all of them)."),
    ],
)
def test_bad_values_are_named(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(ExperimentError) as error:
        Experiment(**given)  # type: ignore[arg-type]
    assert str(error.value) == sentence


@pytest.mark.parametrize("text", ["", "abc", "1e400", "nan", "inf", "-inf", "0x10", "9" * 5000, "<script>"])
def test_hostile_text_gives_one_sentence(text: str) -> None:
    for name in ("rank", "lr"):
        with pytest.raises(ExperimentError) as error:
            parse_field(name, text)
        assert len(str(error.value)) < 120
        assert str(error.value).endswith(".")


def test_scaling_rules() -> None:
    e = Experiment(rank=4, alpha=8)
    assert [replace(e, scaling_rule=rule).scaling for rule in ("lora", "rslora", "constant")] == [2.0, 4.0, 8.0]


def test_sweep_axes_and_order() -> None:
    sweep = Sweep.over(Experiment(), rank=(1, 2), init_seed=range(3))
    assert [(e.rank, e.init_seed) for e in sweep.experiments] == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    assert sweep.axes == ("rank", "init_seed")


def test_sweep_refuses_two_tasks() -> None:
    with pytest.raises(ExperimentError, match=r"mixes noise=\[0.0, 0.5\]"):
        Sweep((Experiment(), Experiment(noise=0.5)))
    with pytest.raises(ExperimentError, match="at least 1"):
        Sweep(())


def test_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Experiment().rank = 3  # type: ignore[misc]


def test_each_place_of_the_columns_is_one_experiment() -> None:
    base = Experiment(d_in=7, d_out=5, rank=2)
    sweep = Sweep.each(base, lr=(0.1, 0.2, 0.1), rank=[1, 2, 3])
    assert sweep.experiments == tuple(replace(base, lr=lr, rank=rank) for lr, rank in ((0.1, 1), (0.2, 2), (0.1, 3)))
    for bad in ({"lr": (0.1, -1.0)}, {"rank": (1, 6)}, {"rank": (1, True)}):
        with pytest.raises(ExperimentError):
            Sweep.each(base, **bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="zip"):
        Sweep.each(base, lr=(0.1,), rank=(1, 2))
    with pytest.raises(TypeError, match="speed is no field"):
        Sweep.each(base, speed=(1,))
