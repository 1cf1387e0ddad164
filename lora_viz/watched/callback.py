"""The same for whoever trains with transformers' Trainer: a callback that watches and writes the file at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from lora_viz.watched.watch import Watching, watch

__all__ = ["WatchCallback"]


class WatchCallback(TrainerCallback):  # transformers is no package of the app
    """``Trainer(…, callbacks=[WatchCallback("run.lora")])``; what the Trainer logs as loss is kept too."""

    def __init__(self, path: str | Path, *, every: int | None = None, share: float = 0.04) -> None:
        self.path, self.every, self.share = Path(path), every, share
        self.seen: Watching | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self.seen = watch(model, every=self.every, share=self.share)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if self.seen is not None and logs and "loss" in logs:
            self.seen.loss(float(logs["loss"]))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.seen is not None:
            self.seen.stop()
            self.seen.save(self.path)
