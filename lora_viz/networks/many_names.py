"""Many trainings of the names model, each a batch of its own: one after another here, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lora_viz.core.experiment import ExperimentError
from lora_viz.core.progress import Progress, give_way
from lora_viz.engine.cluster import spread
from lora_viz.i18n.language import say
from lora_viz.networks.names_training import NamesExperiment, NamesRun, adapt_names

__all__ = ["adapt_each"]


def adapt_each(
    experiments: Sequence[NamesExperiment], device: str = "cpu", told: Callable[[Progress], None] | None = None
) -> list[NamesRun]:
    """The run of every experiment, in their order. An experiment is a share: who trains in one batch shows in the last
    bits, and so it stays together, and "ray" gives the bits of "cpu".

    Raises ExperimentError for another device, and where the cluster cannot.
    """
    if device == "ray":
        return spread(_adapted, None, experiments, told)
    if device != "cpu":
        raise ExperimentError(
            say("device={device} is not here. Valid values: {devices}.", device=device, devices="cpu, ray")
        )
    runs: list[NamesRun] = []
    for e in experiments:
        runs.append(_adapted(None, e))
        if told is not None:
            done = len(runs)
            told(
                Progress(
                    done / len(experiments), say("{done} of {all} shares are done", done=done, all=len(experiments))
                )
            )
    return runs


def _adapted(_: None, e: NamesExperiment) -> NamesRun:
    """The last thing that a training yields."""
    found: Progress | NamesRun = Progress(0.0)
    for each in adapt_names(e):
        found = each
        give_way()
    assert isinstance(found, NamesRun)
    return found
