"""The parts of a lesson as plain HTML: texts, tables, questions; what needs a session is left to the app."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.i18n.outside import plain
from lora_viz.lessons.parts import (
    Ask,
    Boxed,
    Code,
    Columns,
    Figure,
    Folded,
    Heading,
    Html,
    Notice,
    Part,
    Prose,
    Row,
    Table,
)
from lora_viz.light.markdown import as_html

__all__ = ["drawn", "table"]

ROWS_MOST = 60  # of a table that is no reference work: more make the page heavy, and the app has them all


def drawn(parts: Iterable[Part]) -> str:
    """These parts, one below the other."""
    return "\n".join(filter(None, map(_drawn, parts)))


def _drawn(part: Part) -> str:
    match part:
        case Prose(text, small):
            return f'<div class="small">{as_html(text)}</div>' if small else as_html(text)
        case Heading(text, anchor):
            id = f' id="{escape(anchor)}"' if anchor else ""
            return f"<h2{id}>{escape(plain(text))}</h2>"
        case Html(draw):
            return f'<div class="paper" tabindex="0">{plain(draw("light"))}</div>'
        case Figure(alt=alt):
            return f"<p>{escape(plain(alt))}</p>"
        case Table(columns=columns, alt=alt):
            return table(columns, alt)
        case Code(text, _, caption):
            said = f"<p>{escape(plain(caption))}</p>" if caption else ""
            return f'{said}<pre tabindex="0"><code>{escape(plain(text))}</code></pre>'
        case Notice(text=text):
            return f'<div class="notice">{as_html(text)}</div>'
        case Folded(label, inner):
            return f"<details><summary>{escape(plain(label))}</summary>{drawn(inner)}</details>"
        case Boxed(inner):
            return f'<div class="notice">{drawn(inner)}</div>'
        case Row(inner):
            return drawn(inner)
        case Columns(columns=side):
            return f'<div class="columns">{"".join(f"<div>{drawn(own)}</div>" for own in side)}</div>'
        case Ask(asked=asked):
            choices = "".join(f"<li>{escape(plain(str(choice)))}</li>" for choice in asked.choices)
            seen = f"{asked.choices[asked.right]}. {asked.told}"
            answer = f"<details><summary>{escape(say('Answer'))}</summary>{as_html(seen)}</details>"
            return f"{as_html(asked.text)}<ul>{choices}</ul>{answer}"
        case _:
            return ""


def table(columns: Mapping[str, Any], alt: str = "") -> str:
    """Columns as a table, numbers as this house writes them."""
    names, values = list(columns), [list(column) for column in columns.values()]
    rows = list(zip(*values, strict=True))
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(plain(str(name)))}</th>' for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows[:ROWS_MOST])
    caption = f"<caption>{escape(plain(alt))}</caption>" if alt else ""
    left = ""
    if len(rows) > ROWS_MOST:
        told = say("{shown} of {all} rows; the app has them all.", shown=ROWS_MOST, all=len(rows))
        left = f"<p>{escape(told)}</p>"
    return f'<div class="wide" tabindex="0"><table>{caption}<tr>{head}</tr>{body}</table></div>{left}'


def _cell(value: Any) -> str:
    value = value.item() if hasattr(value, "item") else value
    return escape(number(value) if isinstance(value, float) else plain(str(value)))
