"""Which parameters does an adapter have? One card each: meaning, PEFT's default, the value chosen, where it is seen."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import NamedTuple

from lora_viz.costs.parameters import PARAMETERS, Parameter
from lora_viz.costs.peft_config import AdapterConfig
from lora_viz.film.style import number
from lora_viz.i18n.language import say

__all__ = ["ConfigCards", "cards_html", "config_cards", "takeaway"]

_STYLE = """<style>
.cards { border-collapse: collapse; width: 100%; font-size: 0.95rem; line-height: 1.3; }
.cards td { border-top: 1px solid rgba(128, 128, 128, 0.35); padding: 0.35rem 0.9rem 0.35rem 0.5rem; }
.cards td { vertical-align: top; }
.cards th { text-align: left; }
.cards .value { font-size: 1.15rem; font-weight: 700; white-space: nowrap; }
.cards .changed td:first-child { box-shadow: inset 4px 0 0 #9d62c4; }
.cards code { font-size: 0.85rem; }
.cards a { color: inherit; text-decoration: underline; }
</style>"""


class ConfigCards(NamedTuple):
    """The configuration asked for, each parameter with its value, and whether that is PEFT's default."""

    config: AdapterConfig
    cards: tuple[tuple[Parameter, object, bool], ...]
    links: Mapping[str, str]


def config_cards(config: AdapterConfig, links: Mapping[str, str]) -> ConfigCards:
    """Put each parameter's value on its card; ``links`` are those (as HTML) to the pages there are."""
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
        say("{seen} See {links}.", seen=escape(say(parameter.seen)), links=links)
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
        say("It differs from PEFT's defaults in {changed}.", changed=", ".join(changed))
        if changed
        else say("All of it is PEFT's default.")
    )
    rule = "α/√r" if c.use_rslora else "α/r"
    return say(
        "The scale before B A is s = {rule} = {scaling}. {differ}", rule=rule, scaling=number(c.scaling), differ=differ
    )
