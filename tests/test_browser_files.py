"""A person gives files to the real server in a real Chromium: a bad one, then a good one; takes one home."""

from __future__ import annotations

import io
import json
import re
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import BrowserContext, Page, expect
from safetensors.torch import save as save_torch

from lora_viz.adapters.opening import open_adapter
from lora_viz.adapters.report import inspect_adapter


@pytest.fixture
def page(window: BrowserContext, address: str) -> Iterator[Page]:
    """A page that fails the test if it complained or looked outside."""
    complaints: list[str] = []
    found = window.new_page()
    found.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    found.on(
        "request", lambda r: None if "127.0.0.1" in r.url or r.url.startswith("data:") else complaints.append(r.url)
    )
    yield found
    found.close()
    assert not [c for c in complaints if not c.startswith("blob:")]


def adapter(rank: int) -> bytes:
    g = torch.Generator().manual_seed(rank)
    A, B = torch.randn(rank, 13, generator=g), torch.randn(7, rank, generator=g)
    return save_torch({"base_model.model.net.0.q.lora_A.weight": A, "base_model.model.net.0.q.lora_B.weight": B})


def give(page: Page, name: str, data: bytes) -> None:
    page.locator("input[type=file]").first.set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    )


def test_a_bad_file_and_then_a_good_one(page: Page, address: str) -> None:
    page.goto(f"{address}/inspector")
    player = page.locator(".player")
    expect(player).to_have_attribute("data-frames", "36", timeout=60_000)
    first = player.get_attribute("data-run")
    for name, data, words in (
        ("cut.safetensors", adapter(3)[:-9], "The file is cut off"),
        ("bomb.safetensors", b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R.", "is a bare pickle"),
        ("nothing.safetensors", b"\xff" * 8 + b"{}", "would have a header of 18,446,744,073,709,551,615 bytes"),
    ):
        give(page, name, data)
        expect(page.get_by_text(words)).to_be_visible(timeout=30_000)
        expect(player).to_have_count(0)  # nothing of ours is offered as theirs
    give(page, "good.safetensors", adapter(5))
    expect(page.locator(".st-key-seen")).to_contain_text("Of rank 5", timeout=30_000)
    expect(page.get_by_text("Nothing is shown in its place")).to_have_count(0)
    expect(player).not_to_have_attribute("data-run", first or "")
    with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5) as answer:
        assert answer.read() == b"ok"


def test_the_smaller_adapter_is_downloaded_and_opens_again(page: Page, address: str) -> None:
    page.goto(f"{address}/inspector?keep=95")
    button = page.get_by_role("button", name="Adapter for 95 % of the energy")
    expect(button).to_be_visible(timeout=60_000)
    with page.expect_download() as started:
        button.click()
    data = Path(started.value.path()).read_bytes()
    report = inspect_adapter(open_adapter("cut.zip", data))
    assert len(report.modules) == 36 and max(m.rank for m in report.modules) <= 8
    give(page, "cut.zip", data)
    expect(page.get_by_text(re.compile(r"Of rank \d to \d, the 36 modules"))).to_be_visible(timeout=30_000)


def test_a_lessons_adapter_is_taken_home(page: Page, address: str) -> None:
    page.goto(f"{address}/gradient_flow")
    page.get_by_text("Take it home").click(timeout=60_000)
    with page.expect_download(timeout=30_000) as started:
        page.get_by_role("button", name="Everything, as a zip archive").click(timeout=30_000)
    with zipfile.ZipFile(io.BytesIO(Path(started.value.path()).read_bytes())) as archive:
        names = set(archive.namelist())
        assert {"adapter/adapter_model.safetensors", "merged.safetensors", "train.py", "history.csv"} <= names
        assert json.loads(archive.read("adapter/adapter_config.json"))["peft_type"] == "LORA"
