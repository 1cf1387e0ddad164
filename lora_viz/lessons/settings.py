"""Everything a lesson is set to, as one value that can be a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lora_viz.core.experiment import Experiment

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a lesson is set to: an experiment, the lesson's own options, and where to train.

    ``settings["noise"]`` answers with an option or with a field of the experiment.
    """

    experiment: Experiment
    options: tuple[tuple[str, Any], ...] = ()
    device: str = "cpu"

    def __getitem__(self, name: str) -> Any:
        for key, value in self.options:
            if key == name:
                return value
        return getattr(self.experiment, name)
