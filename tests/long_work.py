"""Work that takes three chunks and remembers who asked for which."""

from collections.abc import Iterator

from lora_viz.core.progress import Progress

CALLS: list[str] = []


def work(name: str) -> Iterator[Progress | str]:
    try:
        for k in range(1, 4):
            CALLS.append(f"{name} {k}")
            yield Progress(k / 3, f"chunk {k}")
        yield f"{name} is done"
    finally:
        CALLS.append(f"{name} closed")
