"""A sweep on a cluster of two workers is the local one to the bit, whoever is killed meanwhile."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, ExperimentError, Sweep
from lora_viz.core.progress import Progress, giving_way
from lora_viz.core.run import Run
from lora_viz.engine import cluster as cluster_of_engine
from lora_viz.engine import kernels
from lora_viz.engine.cluster import spread
from lora_viz.engine.kernels import shares
from lora_viz.engine.training import train
from lora_viz.networks.adapter_batch import AdapterSpec
from lora_viz.networks.many_names import adapt_each
from lora_viz.networks.names_training import NamesExperiment
from tests.on_a_worker import refused, squared, waits

NO_RAY = "" if find_spec("ray") else "ray is not installed (requirements-ray.txt)"
needs_ray = pytest.mark.skipif(bool(NO_RAY), reason=NO_RAY)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that computes nothing and two machines of one core each, as far as one machine can have them."""
    import ray
    from ray.cluster_utils import Cluster

    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    memory = {"object_store_memory": 80_000_000}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory})
    made.few = [made.add_node(num_cpus=1, **memory) for _ in range(2)]
    ray.init(address=made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()
    patch.undo()


def mixed(small: Experiment) -> Sweep:
    """Ranks and rules side by side, one that diverges, and what the stack does not take."""
    plain = Sweep.over(small, rank=(1, 2, 3, 5), init_seed=range(9), optimizer=("sgd", "adam"))
    others = [replace(small, variant=variant, init_seed=i) for variant in ("dora", "vera") for i in range(3)]
    return Sweep((*plain.experiments, replace(small, optimizer="sgd", lr=10.0), *others))


def same(one: Run, other: Run) -> None:
    """To the bit."""
    for name in ("loss", "grad_A_norm", "grad_B_norm", "diverged_at", "steps"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), strict=True)
    for name in ("A", "B", "rest"):
        for a, b in zip(getattr(one, name), getattr(other, name), strict=True):
            assert a is b is None or np.array_equal(a, b)
    assert (one.engine, one.device) == (other.engine, other.device)


def test_the_sweep_alone_decides_the_cut(small: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "PIECE", 50)
    sweep = Sweep.over(small, init_seed=range(67), rank=(1, 5))
    here, there = shares(sweep, "cpu", 2), shares(sweep, "ray", 161)
    assert [part.members for part in here] == [part.members for part in there]
    assert sorted(i for part in here for i in part.members) == list(range(134))
    assert len(here) == 3 and max(len(part.members) for part in here) <= 50
    work = [sum(sweep[i].rank for i in part.members) for part in here]
    assert max(work) - min(work) <= 5


def test_shares_here_are_told_and_may_be_stopped(small: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "PIECE", 2)
    sweep = Sweep.over(small, init_seed=range(6))
    told: list[Progress] = []
    train(sweep, records=2, told=told.append)
    assert [now.share for now in told] == [1 / 3, 2 / 3, 1.0]

    class Stopped(Exception):
        pass

    def stop() -> None:
        if len(told) == 4:
            raise Stopped

    with pytest.raises(Stopped), giving_way(stop):
        train(sweep, records=2, told=told.append)
    assert len(told) == 4


def test_without_ray_it_is_said(small: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExperimentError, match=r"^device=ray needs the package ray\. .*requirements-ray\.txt"):
        train(Sweep((small,)), device="ray")


@needs_ray
def test_without_a_cluster_it_is_said(small: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    assert not ray.is_initialized()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # a port where nothing listens
    with pytest.raises(ExperimentError, match=r"^No Ray cluster answers at 127\.0\.0\.1:1\."):
        train(Sweep((small,)), device="ray")


@needs_ray
def test_bits_are_those_of_here(cluster: Any, small: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "PIECE", 25)
    sweep = mixed(small)
    told: list[Progress] = []
    here, there = train(sweep, records=5), train(sweep, "ray", records=5, told=told.append)
    same(there, here)
    assert (here.diverged_at >= 0).sum() == 1 and here.engine == "dense and stack"
    assert [now.share for now in told] == [1.0, 1 / 3, 2 / 3, 1.0], "one share of the others, three of the stack"
    large = Sweep.over(replace(small, d_in=257, d_out=263, condition=10.0, steps=1), init_seed=(0, 1))
    same(train(large, "ray", records=2), train(large, records=2))


@needs_ray
def test_a_lost_share_is_done_again(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spread(squared, tmp_path, range(5)) == [(i * i, 1) for i in range(5)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.0", "1.0", "2.0", "3.0", "3.1", "4.0"]
    assert cluster_of_engine.AGAIN > 1
    monkeypatch.setattr(cluster_of_engine, "AGAIN", 1)
    with pytest.raises(ExperimentError, match=r"^The cluster lost one of 1 shares 2 times, and 0 are done\."):
        spread(squared, tmp_path, [-1])
    with pytest.raises(ExperimentError, match=r"^part=7 is not possible\. Valid values: none\.$"):
        spread(refused, tmp_path, [7])


def test_names_models_have_two_devices() -> None:
    with pytest.raises(ExperimentError, match=r"^device=cuda is not here\. Valid values: cpu, ray\.$"):
        adapt_each([], "cuda")


@needs_ray
def test_language_models_adapters_too(cluster: Any) -> None:
    few = [NamesExperiment(specs=(AdapterSpec(rank=r), AdapterSpec(rank=3, dropout=0.1)), steps=2) for r in (1, 2)]
    for here, there in zip(adapt_each(few), adapt_each(few, "ray"), strict=True):
        for name in ("new", "old", "copied", "sigma"):
            np.testing.assert_array_equal(getattr(there, name), getattr(here, name))
        assert there.said == here.said


@needs_ray
def test_a_lost_machine_is_done_without(
    cluster: Any, small: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the two is killed in the middle of a share: the other does that too, and then a sweep alone."""

    def kill(now: Progress) -> None:
        if now.share < 1:
            where = (tmp_path / "1.0").read_text()
            cluster.remove_node(next(each for each in cluster.few if each.node_id == where), allow_graceful=False)

    assert spread(waits, tmp_path, range(2), kill) == [0, 1]
    places = {path.name: path.read_text() for path in tmp_path.glob("[01].*")}
    assert set(places) == {"0.0", "1.0", "1.1"} and places["1.1"] != places["1.0"]
    monkeypatch.setattr(kernels, "PIECE", 10)
    sweep = Sweep.over(small, rank=(1, 2, 3, 5), init_seed=range(5))
    same(train(sweep, "ray", records=3, factors=False), train(sweep, records=3, factors=False))
