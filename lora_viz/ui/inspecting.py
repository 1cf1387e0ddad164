"""What does the inspector ask, and what does it hand out? Choices kept in the link, the module table, a cut adapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import streamlit as st

from lora_viz.adapters.extract import extract
from lora_viz.adapters.report import Report
from lora_viz.adapters.shrink import cut_name, plan, shrink
from lora_viz.adapters.stored import AdapterError
from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.ui.adapter_files import SHIPPED, Loaded, LoadedChanges, Source, ask_source
from lora_viz.ui.choices import choose

__all__ = ["ask_adapter", "ask_alpha", "ask_choice", "offer_extracted", "offer_shrunk", "show_modules"]

_MEASURED_MOST = 1_000_000  # parameters up to which a cut is made, and measured, before it is asked for


def ask_choice(
    label: str,
    options: Iterable[str],
    *,
    key: str,
    default: str | None = None,
    help: str | None = None,
    names: Mapping[str, str] | None = None,
) -> str:
    """One of a few; an unknown name in a link is said, and the usual one shown."""
    known = tuple(options)
    return str(choose(label, known, default or known[0], key=key, help=help, names=names))


def ask_adapter(
    label: str, key: str, *, default: str | None = None, own: str, own_key: str, help: str
) -> tuple[str, Source | None]:
    """One of the app's own adapters, or a visitor's file: while there is one, none of ours looks chosen."""
    place = st.container()
    given = ask_source(own, own_key, help=help)
    with place:
        if given is None:
            return ask_choice(label, SHIPPED, key=key, default=default), None
        st.caption(say("{label}: your own file. Take it away to choose one of ours.", label=label))
    kept = str(st.session_state.get("kept", {}).get(key))
    return kept if kept in SHIPPED else default or next(iter(SHIPPED)), given


def ask_alpha() -> float | None:
    """α for files that do not say their own; None: sizes are then those of B·A."""
    with st.expander(say("More")):
        alpha = st.number_input(
            say("α, where the file has none"),
            0.0,
            4096.0,
            None,
            key="alpha_given",
            placeholder=say("not known"),
            help=say("loralib, diffusers and others do not keep α in the file. s = α/r."),
        )
    return None if alpha is None else float(alpha)


def offer_shrunk(loaded: Loaded, level: float) -> None:
    """The adapter cut to the advised ranks: how much smaller, how far from the original, and the file on demand."""
    st.header(say("Take it home, smaller"), anchor=False)
    try:
        found = plan(loaded.opened, loaded.report, level)
    except AdapterError as error:
        st.info(str(error))
        return
    before, after = found.parameters
    told = say(
        "Every module cut to the smallest rank that keeps {level:.0f} % of its energy: ranks {low} to {high}, "
        "{before:,} → "
        "{after:,} parameters. What is left out, ‖ΔW − ΔW′‖/‖ΔW‖, is {whole} over all updates together and at most "
        "{error} in one module.",
        level=100 * level,
        low=min(found.ranks),
        high=max(found.ranks),
        before=before,
        after=after,
        whole=number(found.whole),
        error=number(float(found.error.max())),
    )
    st.markdown(f"{told} {found.note}")
    if before <= _MEASURED_MOST:
        cut = shrink(loaded.opened, loaded.report, level)
        st.caption(
            say(
                "Measured on the factors as they are written, rounding included: {whole} and {error}; {before:.2f} → "
                "{after:.2f} MB.",
                whole=number(cut.whole),
                error=number(float(cut.error.max())),
                before=cut.size[0] / 1e6,
                after=cut.size[1] / 1e6,
            )
        )
    st.download_button(
        say("Adapter for {level:.0f} % of the energy", level=100 * level),
        lambda: shrink(loaded.opened, loaded.report, level).data,
        cut_name(loaded.report, level),
        on_click="ignore",
        key="shrunk",
    )


def show_modules(columns: Mapping[str, np.ndarray], report: Report) -> None:
    """Every module as a row, sortable, and the tensors that are no LoRA factors."""
    st.header(say("Every module"), anchor=False)
    st.dataframe(dict(columns), hide_index=True, height=320, alt=say("One row a module: shapes, ranks, norms, scale"))
    kind = {"safetensors": say("a safetensors file"), "torch": say("a file of torch.save")}[report.kind]
    st.caption(
        say(
            "{name}: {kind}, {size:.2f} MB of numbers, keys as in {schemes}, "
            "{modules} modules, {others} other tensors.",
            name=report.name,
            kind=kind,
            size=report.size / 1e6,
            schemes=", ".join(report.schemes),
            modules=len(report.modules),
            others=len(report.others),
        )
    )
    if report.others:
        with st.expander(say("{others} tensors that are no LoRA factors", others=len(report.others))):
            st.dataframe(
                {
                    say("name"): [o.name for o in report.others],
                    say("shape"): ["×".join(map(str, o.shape)) or say("one number") for o in report.others],
                    say("stored as"): [o.dtype for o in report.others],
                },
                hide_index=True,
            )


def offer_extracted(loaded: LoadedChanges, rank: int) -> None:
    """The difference as a LoRA of this rank, made when it is asked for."""
    st.header(say("Take it home"), anchor=False)
    size = sum(min(rank, len(c.sigma)) * (c.d_in + c.d_out) for c in loaded.changes.modules)
    st.markdown(
        say(
            "A PEFT folder of rank {rank} with {size:,} parameters, α = r. {vectors} changed vectors are not in it.",
            rank=rank,
            size=size,
            vectors=loaded.changes.not_matrices,
        )
    )
    st.download_button(
        say("Adapter of rank {rank}", rank=rank),
        lambda: extract(loaded.base, loaded.tuned, loaded.changes, rank)[0],
        f"extracted_r{rank}.zip",
        on_click="ignore",
        key="extracted",
    )
