"""How many inputs a fuzz test tries: as many as it asks for, or as the environment does."""

import os

__all__ = ["amount"]


def amount(usual: int) -> int:
    """``make fuzz`` sets LORA_PLAYGROUND_FUZZ to a million."""
    return int(os.environ.get("LORA_PLAYGROUND_FUZZ", usual))
