"""Key parameters: what an adapter has, a card each: meaning, PEFT's default, the value chosen, where it is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import NamedTuple

from lora_viz.costs.parameters import PARAMETERS, Parameter
from lora_viz.costs.peft_config import BIASES, INITS, TASK_TYPES, AdapterConfig
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say
from lora_viz.i18n.outside import Ours
from lora_viz.lessons.controls import Choice, Several, Switch
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.model_controls import RANK
from lora_viz.lessons.parts import Code, Columns, Html, Part
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.lessons.walk import links

__all__ = ["LESSON", "ConfigCards", "cards_html", "config_cards", "takeaway"]

MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "c_attn", "query", "value")

EIGHT = 8  # the settings that the claim counts

_STYLE = """<style>
.cards { border-collapse: collapse; width: 100%; font-size: 0.95rem; line-height: 1.3; }
.cards td { border-top: 1px solid rgba(128, 128, 128, 0.35); padding: 0.35rem 0.9rem 0.35rem 0.5rem; }
.cards td { vertical-align: top; }
.cards th { text-align: left; }
.cards .value { font-size: 1.15rem; font-weight: 700; white-space: nowrap; }
.cards .changed td:first-child { box-shadow: inset 4px 0 0 #9d62c4; }
.cards code { font-size: 0.85rem; }
.cards a { color: inherit; text-decoration: underline; }
@media (max-width: 640px) { /* a card each: four columns have no room side by side */
  .cards, .cards tbody, .cards tr, .cards td { display: block; } .cards tr:first-child { display: none; }
  .cards tr { border-top: 1px solid rgba(128, 128, 128, 0.35); padding: 0.3rem 0; }
  .cards td { border: 0; padding: 0.1rem 0.5rem; }
}
</style>"""


class ConfigCards(NamedTuple):
    """The configuration asked for, each parameter with its value, and whether that is PEFT's default."""

    config: AdapterConfig
    cards: tuple[tuple[Parameter, object, bool], ...]
    links: Mapping[str, str]


def config_cards(config: AdapterConfig, links: Mapping[str, str]) -> ConfigCards:
    """Put each parameter's value on its card; ``links`` are those (as HTML) to the lessons there are."""
    given = config.fields()
    cards = tuple((p, given[p.peft], given[p.peft] == p.default) for p in PARAMETERS)
    return ConfigCards(config, cards, links)


def cards_html(record: ConfigCards) -> str:
    """All cards, one a row; those that differ from PEFT's default are marked."""
    titles = (say("here"), say("what it does"), say("what is seen of it here"))
    head = f"<tr><td></td>{''.join(f'<th>{title}</th>' for title in titles)}</tr>"
    return f'{_STYLE}<table class="cards">{head}{"".join(_card(record, *card) for card in record.cards)}</table>'


def _card(record: ConfigCards, parameter: Parameter, value: object, usual: bool) -> str:
    links = ", ".join(record.links[page] for page in parameter.pages if page in record.links)
    seen = (
        say("{seen} See {links}.", seen=Ours(escape(say(parameter.seen))), links=Ours(links))
        if links
        else say("Not measured here.")
    )
    default = say("looked up") if parameter.default is None else str(parameter.default)
    return (
        f'<tr class="{"" if usual else "changed"}"><td><b>{escape(say(parameter.name))}</b><br>'
        f'<code>{parameter.peft}</code></td><td><span class="value">{escape(_text(value))}</span><br>'
        f"PEFT: {escape(default)}</td><td>{escape(say(parameter.means))}</td><td>{seen}</td></tr>"
    )


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value) if len(value) <= 2 else say("{count:,} modules", count=len(value))
    return str(value)


def takeaway(record: ConfigCards) -> str:
    """What this configuration amounts to."""
    c = record.config
    changed = [say(p.name) for p, _, usual in record.cards if not usual]
    differ = (
        say("Different from PEFT's defaults: {changed}.", changed=", ".join(changed))
        if changed
        else say("All settings are PEFT's defaults.")
    )
    rule = "α/√r" if c.use_rslora else "α/r"
    return say(
        "B A is multiplied by s = {rule} = {scaling}. {differ}", rule=rule, scaling=number(c.scaling), differ=differ
    )


def verdict(record: ConfigCards) -> Verdict:
    """Another rank with another α has the same s; the same α with that rank has another."""
    c, times = record.config, 2 if record.config.use_rslora else 4  # √4 or 4: four times the rank
    same = replace(c, rank=4 * c.rank, alpha=times * c.alpha)
    other = replace(c, rank=4 * c.rank)
    evidence = {"settings": len(record.cards), "s": c.scaling, "same": same.scaling, "other": other.scaling}
    told = say(
        "s is {s}; at rank {rank} it takes α = {alpha} to keep it, and α = {old} gives s = {other}",
        s=number(c.scaling), rank=same.rank, alpha=number(same.alpha), old=number(c.alpha),
        other=number(other.scaling),
    )  # fmt: skip
    holds = same.scaling == c.scaling != other.scaling and len(record.cards) == EIGHT
    return true_here(told, **evidence) if holds else false_here(told, **evidence)


def measure(settings: Settings, lab: Lab) -> ConfigCards:
    """Put the chosen values on their cards. Raises AdapterConfigError: what does not go together."""
    given = {name: settings[name] for name in ("rank", "alpha", "dropout", "init", "bias", "task_type")}
    flags = {name: settings[name] for name in ("use_rslora", "use_dora")}
    targets = settings["targets"]
    return config_cards(
        AdapterConfig(target_modules=targets, fan_in_fan_out="c_attn" in targets, **given, **flags), links()
    )


def extras(record: ConfigCards) -> tuple[Part, ...]:
    """The same configuration as PEFT reads it."""
    python = Code(record.config.as_python(), "python", say("For PEFT, in Python"))
    return (Columns(((python,), (Code(record.config.as_json(), "json", "adapter_config.json"),))),)


LESSON = Lesson(
    id="config_card", menu=to_say("LoRA hyperparameters"), title=to_say("LoRA hyperparameters: what is there to "
                                                                        "choose?"),
    claim=to_say("Eight settings define an adapter. α means nothing on its own: what multiplies B A is the scale s, "
                 "which is "
                 "α/r or α/√r."), place=10,
    controls=(
        RANK,
        Choice(id="alpha", label="α", options=(1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0), default=8.0, own=True),
        Several(id="targets", label=to_say("Target modules"), options=MODULES, default=("q_proj", "v_proj")),
        Choice(id="init", label=to_say("Start"), options=INITS, default="default",
               names={"default": to_say("usual"), "gaussian": to_say("Gaussian")}, own=True),
        Switch(id="use_rslora", label="rsLoRA: s = α/√r"),
    ),
    more=(
        Choice(id="dropout", label=to_say("Dropout"), options=(0.0, 0.05, 0.1, 0.2), default=0.0),
        Switch(id="use_dora", label="DoRA"),
        Choice(id="bias", label=to_say("Bias"), options=BIASES, default="none",
               names={"none": to_say("none"), "lora_only": to_say("LoRA's own"), "all": to_say("all")}),
        Choice(id="task_type", label=to_say("Task"), options=TASK_TYPES, default="CAUSAL_LM",
               names={"CAUSAL_LM": to_say("causal LM"), "SEQ_CLS": to_say("text classes"),
                      "TOKEN_CLS": to_say("token classes"), "FEATURE_EXTRACTION": to_say("features"),
                      "none": to_say("none")}),
    ), measure=measure, takeaway=takeaway, verdict=verdict,
    body=lambda record: (Html(lambda theme: cards_html(record)),), extras=extras,
    trains=False, seeded=False, worded=True,
)  # fmt: skip
