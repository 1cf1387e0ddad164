"""The visitor's own files: uploaded ones, or those in the folder that the server shows.

An uploaded file stays in the server's memory until its page is closed, another takes its place, or the files of all
visitors together need more than the server has for them; nothing is written to disk, and nothing is sent anywhere.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from lora_viz.adapters.held import HELD
from lora_viz.adapters.source import FromDisk, InMemory, let_go_words
from lora_viz.adapters.stored import AdapterError
from lora_viz.i18n.language import say
from lora_viz.i18n.outside import on_screen
from lora_viz.lessons.controls import File, Upload, file_name
from lora_viz.ui.arriving import hold

__all__ = ["ask_files", "files_given", "folder"]

CONFIG = "adapter_config.json"


def folder() -> Path | None:
    """The folder whose files a visitor may name, if whoever started the server named one."""
    named = os.environ.get("LORA_PLAYGROUND_FILES")
    return Path(named) if named else None


def files_given(control: File) -> tuple[Upload, ...]:
    """What was given at this control so far; a path that cannot be read is none, and is said where it is drawn."""
    files = _uploaded(control)
    if files or not control.folder:
        held = ((file, _held(file)) for file in files)
        return tuple(Upload(file.name, data, file.file_id) for file, data in held if not data.gone)
    try:
        return _from_folder(st.session_state.get(_path_key(control), ""))
    except AdapterError:
        return ()


def ask_files(control: File) -> None:
    """Draw the place for an upload and, where the server shows a folder, for a path."""
    st.file_uploader(
        on_screen(say(control.label)),
        type=[*control.endings] or None,
        accept_multiple_files=control.several,
        key=control.id,
        help=on_screen(say(control.help)) if control.help else None,
        max_upload_size=control.most,
    )
    for file in _uploaded(control):
        if _held(file).gone:
            st.warning(on_screen(let_go_words(file_name(file.name))), icon=":material/memory:")
    where = folder()
    if control.folder and where is not None:
        label = say("or a file under {folder}", folder=where)
        path = st.text_input(on_screen(label), key=_path_key(control), placeholder="adapter_model.safetensors")
        try:
            _from_folder(path)
        except AdapterError as error:
            st.error(on_screen(error.said), icon=":material/error:")


def _path_key(control: File) -> str:
    return f"{control.id}_path"


def _from_folder(path: str) -> tuple[Upload, ...]:
    """The file at this path under the server's folder, and the config beside it. Raises AdapterError."""
    where = folder()
    if not path or where is None:
        return ()
    found = [_opened(path, where)]
    with contextlib.suppress(AdapterError):
        found.append(_opened(str(Path(path).parent / CONFIG), where))
    return tuple(found)


def _opened(path: str, where: Path) -> Upload:
    """The file as an upload, another one as soon as it is written anew. Raises AdapterError."""
    data = FromDisk(path, where)
    return Upload(Path(path).name, data, f"path {path} {data.version}")


def _uploaded(control: File) -> list[Any]:
    """What Streamlit has of this control's files."""
    run = get_script_run_ctx(suppress_warning=True)
    hold(None if run is None else run.uploaded_file_mgr)
    uploaded = st.session_state.get(control.id)
    return uploaded if isinstance(uploaded, list) else [uploaded] if uploaded is not None else []


def _held(file: Any) -> InMemory:
    """The bytes of a file that was uploaded, where they are not let go."""
    return HELD.find(file.file_id) or HELD.keep(file.file_id, None, file_name(file.name), file.getvalue())
