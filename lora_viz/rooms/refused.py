"""What a room says to what it does not take: one sentence, and the status that fits it."""

from __future__ import annotations

from lora_viz.core.refusals import Refusal

__all__ = ["RoomError"]


class RoomError(Refusal):
    """One sentence, what was given and what is valid; ``status`` is HTTP's number for its kind. Nothing was changed."""

    def __init__(self, said: str, status: int) -> None:
        super().__init__(said)
        self.status = status
