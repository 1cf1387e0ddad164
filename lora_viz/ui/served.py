"""Where the app's entry script, its pages and its configuration lie: at the top of a checkout, or in the package."""

from __future__ import annotations

import gc
import os
from pathlib import Path

__all__ = ["TOP", "serve", "stop_polling"]

_PACKAGE = Path(__file__).parents[1]
# An installed package has them inside: beside it, in site-packages, anybody's app.py may lie.
TOP = _PACKAGE / "served" if (_PACKAGE / "served").is_dir() else _PACKAGE.parent


def stop_polling() -> None:
    """Where no file is watched, let Streamlit not look five times a second whether its configuration has changed.

    It holds what looks nowhere but in the queue of its own threads, and has no other way to stop one: among all objects
    it is found by its type (asking some of torch's for their class would warn of what is deprecated there).
    """
    from streamlit import config
    from streamlit.watcher.polling_path_watcher import PollingPathWatcher

    if config.get_option("server.fileWatcherType") == "none":
        for each in gc.get_objects():
            if issubclass(type(each), PollingPathWatcher):
                each.close()


def serve(options: tuple[str, ...] = ()) -> None:
    """Serve the app until it is stopped, from any working directory; ``options`` are Streamlit's own.

    Streamlit looks for a configuration of the visitor's own at home. Where nobody has one, it finds the playground's.
    """
    try:
        Path.home().stat()
    except (OSError, RuntimeError):
        os.environ["HOME"] = os.environ["USERPROFILE"] = str(TOP)
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):  # as in app.py, which comes too late here
        os.environ.setdefault(name, "1")
    from streamlit.web import cli

    cli.main(["run", str(TOP / "app.py"), *options], prog_name="streamlit", standalone_mode=False)
