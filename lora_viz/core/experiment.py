"""An experiment and a sweep of them: one frozen, checked, flat description that is URL, cache key and argument.

Standard library only: this is the ground floor of the house.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import say

__all__ = [
    "CHOICES",
    "LIMITS",
    "TASK_FIELDS",
    "Experiment",
    "ExperimentError",
    "Sweep",
    "nearest_possible",
    "parse_field",
]


def _files(folder: str) -> tuple[str, ...]:
    """The names of the files in this folder of ``layer``, by the PLACE that each gives itself; without one, last.

    They are read, not imported: what they need to train is far above this floor.
    """
    found = {}
    for path in (Path(__file__).parent.parent / "layer" / folder).glob("[!_]*.py"):
        place = re.search(r"^PLACE = (\d+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        found[path.stem] = int(place[1]) if place else math.inf
    return tuple(sorted(found, key=lambda name: (found[name], name)))


CHOICES: dict[str, tuple[str, ...]] = {
    "task": ("low_rank", "full_rank", "inside_top", "rotation", "row_rescale"),
    "spectrum": ("flat", "power", "exponential", "geometric", "spike"),
    "scaling_rule": ("lora", "rslora", "constant"),
    "init": _files("starts"),
    "variant": _files("variants"),
    "optimizer": ("sgd", "adam", "adamw", "scaled_gd"),
    "schedule": ("constant", "linear"),
    "frozen": ("none", "A", "B"),
    "dtype": ("float64", "float32"),
}

LIMITS: dict[str, tuple[float, float]] = {
    "d_in": (1, 512),
    "d_out": (1, 512),
    "target_rank": (0, 512),
    "target_condition": (1.0, 1e6),
    "noise": (0.0, 10.0),
    "condition": (1.0, 1e6),
    "samples": (1, 65_536),
    "rank": (1, 512),
    "alpha": (0.0, 1024.0),
    "init_scale": (0.0, 1000.0),
    "lr": (0.0, 1e6),
    "lr_ratio": (0.0, 1e4),
    "weight_decay": (0.0, 10.0),
    "warmup": (0, 20_000),
    "batch": (0, 65_536),
    "steps": (0, 20_000),
    "seed": (0, 2**31 - 1),
    "init_seed": (0, 2**31 - 1),
}

RANKED_TASKS = ("low_rank", "inside_top")  # whose target's rank is ``target_rank``

# What every member of a sweep has in common: the task they all learn, and how long and how precisely.
TASK_FIELDS = (
    "task", "d_in", "d_out", "target_rank", "spectrum", "target_condition", "noise", "condition", "samples", "seed",
)  # fmt: skip
SHARED_FIELDS = (*TASK_FIELDS, "batch", "steps", "schedule", "warmup", "dtype")


class ExperimentError(Refusal):
    """One sentence that names what was given and what is allowed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """What is trained, on what, and how. Every field may be a URL parameter of the same name.

    ``task`` "low_rank" teaches a target of rank ``target_rank``, "full_rank" one of rank min(d_out, d_in), "inside_top"
    one of rank ``target_rank`` within W's 2·target_rank leading singular directions; "rotation" turns W's outputs,
    ΔW = (Q − I)W, and "row_rescale" stretches its rows: both have a rank as high as the layer allows.
    ``target_condition`` is σ₁/σ_last of a target whose ``spectrum`` is "geometric".
    ``init`` names a start of ``lora_viz.layer.starts``: which factor is zero, and what the other is;
    ``init_scale`` multiplies both.
    ``variant`` names an entry of ``lora_viz.layer.variants``; the fields that it sets are its own, whatever was given.
    ``noise`` is the standard deviation of the label noise, ``condition`` the condition number of the inputs'
    covariance, ``batch`` 0 means full batch, ``warmup`` counts steps (the first of them has learning rate 0, as in the
    usual schedulers), ``lr_ratio`` is lr_B / lr_A (LoRA+, Hayou et al. 2024), ``weight_decay`` is AdamW's alone,
    ``frozen`` names a factor that does not train (A: LoRA-FA, Zhang et al. 2023).
    ``seed`` draws base weight, target, data, batches and factors; ``init_seed`` draws other factors for the same task.
    Raises ExperimentError.
    """

    task: str = "low_rank"
    d_in: int = 32
    d_out: int = 24
    target_rank: int = 4
    spectrum: str = "power"
    target_condition: float = 8.0
    noise: float = 0.0
    condition: float = 1.0
    samples: int = 256
    rank: int = 4
    alpha: float = 8.0
    scaling_rule: str = "lora"
    init: str = "B_zero"
    variant: str = "lora"
    init_scale: float = 1.0
    optimizer: str = "adam"
    lr: float = 0.02
    lr_ratio: float = 1.0
    frozen: str = "none"
    weight_decay: float = 0.01
    schedule: str = "constant"
    warmup: int = 0
    batch: int = 0
    steps: int = 300
    seed: int = 0
    init_seed: int = 0
    dtype: str = "float64"

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name))
        self._check_together()

    def _check_together(self) -> None:
        most = min(self.d_in, self.d_out)
        if self.rank > most:
            raise ExperimentError(
                say(
                    "rank={rank} is not possible: a layer of {d_out}×{d_in} allows 1 to {most}.",
                    rank=self.rank,
                    d_out=self.d_out,
                    d_in=self.d_in,
                    most=most,
                )
            )
        if self.task in RANKED_TASKS and self.target_rank > most:
            raise ExperimentError(
                say(
                    "target_rank={target_rank} is not possible: a layer of {d_out}×{d_in} allows 0 to {most}.",
                    target_rank=self.target_rank,
                    d_out=self.d_out,
                    d_in=self.d_in,
                    most=most,
                )
            )
        if self.batch > self.samples:
            raise ExperimentError(
                say(
                    "batch={batch} is not possible: there are {samples} samples (0 means all of them).",
                    batch=self.batch,
                    samples=self.samples,
                )
            )

    @property
    def scaling(self) -> float:
        """The factor s that BA is multiplied by: α/r (Hu et al. 2021), α/√r (rsLoRA, Kalajdzievski 2023) or α."""
        match self.scaling_rule:
            case "rslora":
                return self.alpha / math.sqrt(self.rank)
            case "constant":
                return float(self.alpha)
            case _:
                return self.alpha / self.rank

    @property
    def true_rank(self) -> int:
        """The rank of the target update."""
        if self.task in RANKED_TASKS:
            return self.target_rank
        even = 2 * (self.d_out // 2) if self.task == "rotation" else self.d_out  # planes turn: an odd axis stays
        return min(self.d_in, even)

    @property
    def task_key(self) -> tuple[Any, ...]:
        """What decides base weight, target and data: two experiments with equal keys share them."""
        return tuple(getattr(self, name) for name in TASK_FIELDS)

    def to_query(self) -> dict[str, str]:
        """This experiment as URL parameters: all fields, so that a link outlives a change of defaults."""
        return {field.name: _text(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_query(cls, query: Mapping[str, str], default: Experiment | None = None) -> Experiment:
        """The experiment that a URL means; unnamed fields keep ``default``'s. Raises ExperimentError."""
        known = {field.name for field in fields(cls)}
        values = {name: parse_field(name, text) for name, text in query.items() if name in known}
        return replace(default or cls(), **values)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Experiments that are trained together: all on one task, differing along named axes."""

    experiments: tuple[Experiment, ...]

    def __post_init__(self) -> None:
        if not self.experiments:
            raise ExperimentError(say("a sweep of 0 experiments was given: at least 1 is needed."))
        for name in SHARED_FIELDS:
            given = {getattr(e, name) for e in self.experiments}
            if len(given) > 1:
                raise ExperimentError(
                    say(
                        "the sweep mixes {name}={given}: all its experiments must share one.",
                        name=name,
                        given=sorted(given),
                    )
                )

    @classmethod
    def over(cls, base: Experiment, **axes: Iterable[Any]) -> Sweep:
        """Every combination of the axes' values on top of ``base``, the last axis running fastest."""
        values = {name: tuple(axis) for name, axis in axes.items()}
        return cls(_changed(base, values, itertools.product(*values.values())))

    @classmethod
    def each(cls, base: Experiment, **columns: Iterable[Any]) -> Sweep:
        """One experiment for each place of the columns, all of one length, on top of ``base``."""
        values = {name: tuple(column) for name, column in columns.items()}
        return cls(_changed(base, values, zip(*values.values(), strict=True)))

    @property
    def axes(self) -> tuple[str, ...]:
        """The fields along which the experiments differ."""
        return tuple(
            field.name for field in fields(Experiment) if len({getattr(e, field.name) for e in self.experiments}) > 1
        )

    def __len__(self) -> int:
        return len(self.experiments)

    def __getitem__(self, index: int) -> Experiment:
        return self.experiments[index]


def nearest_possible(default: Experiment, values: Mapping[str, Any]) -> tuple[Experiment, tuple[str, ...]]:
    """The experiment nearest to these values, each allowed but maybe not together; and what had to give, in words.

    Ranks are cut to what the layer's shape allows, the batch to the number of samples.
    """
    asked = {name: getattr(default, name) for name in (*TASK_FIELDS, "rank", "batch")} | dict(values)
    most = min(asked["d_in"], asked["d_out"])
    fitted = dict(values)
    said = []
    for name, limit in (("rank", most), ("target_rank", most), ("batch", asked["samples"])):
        if asked[name] > limit and not (name == "target_rank" and asked["task"] not in RANKED_TASKS):
            fitted[name] = limit
            if name in values:
                said.append(_gave_way(name, asked, limit))
    return replace(default, **fitted), tuple(said)


def _gave_way(name: str, asked: Mapping[str, Any], limit: int) -> str:
    if name == "batch":
        return say(
            "batch={asked} does not go with samples={limit}. Showing batch={limit} instead.",
            asked=asked[name],
            limit=limit,
        )
    return say(
        "{name}={asked} does not go with a layer of {d_out}×{d_in}. Showing {name}={limit} instead.",
        name=name,
        asked=asked[name],
        d_out=asked["d_out"],
        d_in=asked["d_in"],
        limit=limit,
    )


def parse_field(name: str, text: str) -> Any:
    """The value that this text gives to the field ``name``. Raises ExperimentError, also for NaN and infinities."""
    kind = type(getattr(_DEFAULT, name))
    if kind is str:
        value: Any = text
    else:
        try:
            value = kind(float(text)) if kind is float else int(text)
        except ValueError:
            raise ExperimentError(_no_number(name, text)) from None
    _check(name, value)
    return value


def _changed(
    base: Experiment, values: Mapping[str, tuple[Any, ...]], rows: Iterable[tuple[Any, ...]]
) -> tuple[Experiment, ...]:
    """Thousands at a time: each value is checked once, and only what depends on two fields for each experiment."""
    known = {field.name: getattr(base, field.name) for field in fields(Experiment)}
    unknown = [name for name in values if name not in known]
    if unknown:
        raise TypeError(f"{unknown[0]} is no field of an Experiment.")
    for name, column in values.items():
        for value in {(type(value), value): value for value in column}.values():  # for True == 1
            _check(name, value)
    return tuple(_made(known, values, row) for row in rows)


def _made(known: dict[str, Any], axes: Iterable[str], chosen: tuple[Any, ...]) -> Experiment:
    made = object.__new__(Experiment)
    for name, value in (known | dict(zip(axes, chosen, strict=True))).items():
        object.__setattr__(made, name, value)
    made._check_together()
    return made


def _check(name: str, value: Any) -> None:
    if name in CHOICES:
        if value not in CHOICES[name]:
            raise ExperimentError(
                say(
                    "{name}={value} is unknown. Valid values: {choices}.",
                    name=name,
                    value=_short(value),
                    choices=", ".join(CHOICES[name]),
                )
            )
        return
    low, high = LIMITS[name]
    whole = isinstance(low, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise ExperimentError(_no_number(name, value))
    if not low <= value <= high:  # NaN and the infinities neither; an int may be too large for a float
        raise ExperimentError(
            say(
                "{name}={value} is out of range. Valid values: {low:g} to {high:g}.",
                name=name,
                value=_short(value),
                low=low,
                high=high,
            )
        )


def _no_number(name: str, value: object) -> str:
    low, high = LIMITS[name]
    return say(
        "{name}={value} is not a whole number. Valid values: {low:g} to {high:g}."
        if isinstance(low, int)
        else "{name}={value} is not a number. Valid values: {low:g} to {high:g}.",
        name=name,
        value=_short(value),
        low=low,
        high=high,
    )


def _short(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else text[:37] + "…"


def _text(value: str | int | float) -> str:
    return repr(value) if isinstance(value, float) else str(value)


_DEFAULT = Experiment()
