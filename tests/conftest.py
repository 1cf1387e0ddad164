"""What every test may use: a small experiment whose prime sizes let no transpose hide, an app, a browser."""

from collections.abc import Iterator

import pandas  # noqa: F401  # before AppTest puts pages/ on the path: pandas would take pages/bottleneck.py for a package
import pytest
from playwright.sync_api import Browser, sync_playwright

from lora_viz.core.experiment import Experiment
from tests.browser import FLAGS, chromium, served
from tests.small import SMALL


@pytest.fixture
def small() -> Experiment:
    return SMALL


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    with served() as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as p:
        found = p.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield found
        found.close()
