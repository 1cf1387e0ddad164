"""Which experiment does the visitor ask for? Widgets bound to the URL, each under its field's own name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lora_viz.experiment import Experiment, ExperimentError, nearest_possible, parse_field
from lora_viz.training import available_devices

__all__ = ["CONTROLS", "Asked", "Control", "ask"]

SEED_MOST = 9999


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """One question to the visitor: the field (or view option) it sets, its allowed answers, and how they are named."""

    name: str
    label: str
    options: tuple[Any, ...]
    help: str
    names: Mapping[Any, str] | None = None
    default: Any = None  # None: the lesson's

    @property
    def is_field(self) -> bool:
        return self.name in Experiment.__dataclass_fields__

    def only(self, *options: Any) -> Control:
        """The same question with fewer answers."""
        return Control(name=self.name, label=self.label, options=options, help=self.help, names=self.names)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the visitor asked for: an experiment, where to train it, the page's own view options."""

    experiment: Experiment
    device: str
    options: dict[str, Any]


_ALL = (
    Control(
        name="rank", label="Rank r", options=(1, 2, 3, 4, 6, 8), help="The bottleneck's width: rows of A, columns of B."
    ),
    Control(
        name="d_in",
        label="Space of x and y",
        options=(2, 3),
        names={2: "2-D", 3: "3-D"},
        help="How many numbers go in and come out: few enough to see all of them.",
    ),
    Control(
        name="target_rank",
        label="Rank of the target",
        options=(1, 2, 3, 4, 6, 8, 12, 16),
        help="How many directions the hidden update really has.",
    ),
    Control(
        name="task",
        label="Target",
        options=("low_rank", "full_rank"),
        names={"low_rank": "low rank", "full_rank": "full rank"},
        help="A target of full rank cannot be reached by a small r, however long you train.",
    ),
    Control(
        name="noise",
        label="Label noise",
        options=(0.0, 0.1, 0.3, 1.0, 2.0),
        help="Standard deviation of what is added to every label.",
    ),
    Control(
        name="spectrum",
        label="Spectrum of the target",
        options=("flat", "power", "exponential"),
        names={"flat": "flat", "power": "1/i", "exponential": "0.7ⁱ"},
        help="How fast the target's singular values fall.",
    ),
    Control(
        name="condition",
        label="Stretch of the inputs",
        options=(1.0, 3.0, 10.0, 100.0, 1000.0),
        help="Condition number of the inputs' covariance: 1 is a round cloud.",
    ),
    Control(
        name="init",
        label="Start",
        options=("kaiming", "zero_a", "both_zero", "both_random"),
        names={"kaiming": "B = 0", "zero_a": "A = 0", "both_zero": "both 0", "both_random": "neither 0"},
        help="Which factor starts at zero. LoRA's own choice is B = 0; A is then Kaiming-uniform.",
    ),
    Control(
        name="optimizer",
        label="Optimizer",
        options=("sgd", "adam", "adamw"),
        names={"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"},
        help="Who turns gradients into updates.",
    ),
    Control(
        name="warmup",
        label="Warm-up steps",
        options=(0, 5, 10, 20),
        help="The learning rate grows from 0 over so many steps: the very first update is then 0.",
    ),
    Control(
        name="lr",
        label="Learning rate η",
        options=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0),
        help="Too high, and the run diverges: the curves then stop where it did.",
    ),
    Control(
        name="lr_ratio",
        label="η of B over η of A",
        options=(1.0, 4.0, 16.0),
        help="LoRA+ (Hayou et al. 2024) gives B a larger learning rate than A.",
    ),
    Control(
        name="alpha",
        label="α",
        options=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
        help="The update is multiplied by s, made of α and r.",
    ),
    Control(
        name="scaling_rule",
        label="Scaling s",
        options=("lora", "rslora", "constant"),
        names={"lora": "α/r", "rslora": "α/√r", "constant": "α"},
        help="α/r is LoRA's, α/√r rsLoRA's (Kalajdzievski 2023).",
    ),
    Control(name="steps", label="Steps", options=(50, 100, 200, 300, 500, 1000), help="How long to train."),
    Control(
        name="weights_dtype",
        label="Weights stored as",
        options=("float64", "float32", "float16", "bfloat16"),
        names={"float64": "fp64", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16"},
        help="The number format of weights, factors and inputs.",
        default="bfloat16",
    ),
    Control(
        name="error_axis",
        label="Error axis",
        options=("linear", "log"),
        help="A logarithmic axis shows how near zero the error is.",
        default="linear",
    ),
)
CONTROLS: dict[str, Control] = {control.name: control for control in _ALL}


def ask(lesson: str, default: Experiment, first: tuple[Control, ...], more: tuple[Control, ...]) -> Asked:
    """Draw the controls where we are, and answer with the experiment they mean. Says what could not be used, and why.

    Each lesson opens with its own defaults: what another lesson was set to does not follow the visitor.
    """
    _leave_the_other_lesson(lesson, (*first, *more))
    notices: list[str] = []
    values: dict[str, Any] = {}
    for control in first:
        values[control.name] = _widget(control, default, notices)
    st.button("New seed", key="new_seed", on_click=_next_seed, width="stretch", help="Draws everything anew.")
    with st.expander("More"):
        for control in more:
            values[control.name] = _widget(control, default, notices)
        values["seed"] = _seed(default, notices)
        device = _device(notices)
    fields = {name: value for name, value in values.items() if name in Experiment.__dataclass_fields__}
    if "d_in" in fields:
        fields["d_out"] = fields["d_in"]
    experiment, reconciled = nearest_possible(default, fields)
    for notice in (*notices, *reconciled):
        st.warning(notice, icon="⚠️")
    return Asked(experiment, device, {name: value for name, value in values.items() if name not in fields})


def _leave_the_other_lesson(lesson: str, controls: tuple[Control, ...]) -> None:
    last = st.session_state.get("lesson")
    if last not in (None, lesson):
        for name in {*(control.name for control in controls), "seed"}:
            st.session_state.pop(name, None)
            st.query_params.pop(name, None)
        st.session_state["from_links"] = {}
    st.session_state["lesson"] = lesson


def _widget(control: Control, default: Experiment, notices: list[str]) -> Any:
    initial = control.default if control.default is not None else getattr(default, control.name)
    options = tuple(sorted({*control.options, initial})) if isinstance(initial, float) else control.options
    options = _with_the_links_own(control, options, initial, notices)

    def name(value: Any) -> str:
        return (control.names or {}).get(value) or (f"{value:g}" if isinstance(value, float) else str(value))

    if isinstance(initial, str) or len(options) <= 3:
        # Pills wrap where a segmented control would hide its last answers
        short = sum(len(name(option)) + 3 for option in options) <= 18
        choose = st.segmented_control if short else st.pills
        return choose(
            control.label,
            options,
            default=initial,
            format_func=name,
            key=control.name,
            help=control.help,
            bind="query-params",
            required=True,
            width="stretch" if short else "content",
        )
    return st.select_slider(
        control.label,
        options,
        value=initial,
        format_func=name,
        key=control.name,
        help=control.help,
        bind="query-params",
    )


def _with_the_links_own(
    control: Control, options: tuple[Any, ...], initial: Any, notices: list[str]
) -> tuple[Any, ...]:
    """A link may ask for a number between two marks: it gets a mark of its own. What is not allowed is said.

    Asked once, when the widget is new; the widget keeps the mark for as long as the lesson is open.
    """
    own: dict[str, Any] = st.session_state.setdefault("from_links", {})
    if control.name not in st.session_state and control.name in st.query_params:
        text = st.query_params[control.name]
        if control.is_field and not isinstance(initial, str):
            try:
                value = parse_field(control.name, text)
                if control.name not in ("d_in",):
                    own[control.name] = value
                elif value not in options:
                    raise ExperimentError(f"{control.name}={value} cannot be drawn: allowed are {options}.")
            except ExperimentError as error:
                notices.append(f"{error} Shown is {_plain(initial)}.")
        elif text not in {str(option) for option in options} | set((control.names or {}).values()):
            allowed = ", ".join(str(option) for option in options)
            notices.append(f"{control.name}={text[:40]} is unknown: allowed are {allowed}. Shown is {_plain(initial)}.")
    if control.name in own and own[control.name] not in options:
        return tuple(sorted((*options, own[control.name])))
    return options


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _seed(default: Experiment, notices: list[str]) -> int:
    if "seed" not in st.session_state and "seed" in st.query_params:
        text = st.query_params["seed"]
        if not (text.isascii() and text.isdigit() and int(text[:9]) <= SEED_MOST and len(text) <= 9):
            notices.append(f"seed={text[:40]} is not possible: allowed is 0 to {SEED_MOST}. Shown is {default.seed}.")
    value = st.number_input(
        "Seed",
        0,
        SEED_MOST,
        default.seed,
        key="seed",
        bind="query-params",
        help="Draws base weight, target, data and factors. The same seed gives the same picture everywhere.",
    )
    return int(value)


def _next_seed() -> None:
    st.session_state["seed"] = (int(st.session_state.get("seed", 0)) + 1) % (SEED_MOST + 1)


def _device(notices: list[str]) -> str:
    here = available_devices()
    if len(here) == 1:
        st.caption("Trained on the CPU, one thread a run.")
        return here[0]
    return (
        st.segmented_control("Train on", here, default=here[0], key="device", bind="query-params", required=True)
        or here[0]
    )
