"""What every test may use: a small experiment whose prime sizes let no transpose hide, an app, a browser."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pandas  # noqa: F401  # before AppTest puts pages/ on the path: pandas would take pages/bottleneck.py for a package
import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, expect, sync_playwright
from streamlit.components.v2 import manifest_scanner

from lora_viz.core.experiment import Experiment
from lora_viz.costs import step_time
from lora_viz.lessons.walk import lessons
from tests.browser import FLAGS, chromium, served
from tests.promptly import look_often
from tests.small import SLOW, SMALL

expect.set_options(timeout=30_000)  # what is awaited comes, however loaded the machine is; what never comes, fails
look_often()

# AppTest reads the metadata of every installed package for each page that it opens, which takes longer than the page:
# nothing is installed while tests run, so once is enough.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)

step_time.SECONDS = 0.1  # no test asks how exact a time is: three rounds are enough


@pytest.fixture
def small() -> Experiment:
    return SMALL


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    with served() as url:
        yield url


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as p:
        yield p


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    found = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
    yield found
    found.close()


@pytest.fixture(scope="session")
def window(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """One window for many tests, each with a tab of its own: what the pages share is fetched and compiled once."""
    found = playwright.chromium.launch_persistent_context(
        tmp_path_factory.mktemp("window"),
        executable_path=chromium(),
        args=FLAGS,
        viewport={"width": 1280, "height": 720},
        locale="en-US",
    )
    found.set_default_timeout(60_000)
    yield found
    found.close()


# Files whose tests play every lesson or run a page in a test harness: seconds each, so `make quick` leaves them out.
SLOW_FILES = frozenset(
    (
        "test_challenges",
        "test_contract",
        "test_file_pages",
        "test_firefox",
        "test_glossary",
        "test_lab",
        "test_language",
        "test_layer",
        "test_lessons",
        "test_network_files",
        "test_one_file",
        "test_other_scripts",
        "test_pages",
        "test_player_words",
        "test_presenting",
        "test_questions",
        "test_quiz",
        "test_reference",
        "test_running",
        "test_scenes",
        "test_visitor_language",
        "test_waiting",
    )
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lesson", default="", help="only what concerns the lesson of this id")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what needs a browser by what it asks for; keeps what concerns one lesson where one is named.

    One worker has all that is asked of a lesson, in whichever files: what it has measured is there for all of it. What
    concerns no one lesson is its file's worker's.
    """
    names = {each.id for each in lessons()}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_lesson(item, names) or Path(item.path).stem))
        if {"browser", "window", "address"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("browser")
        stem = Path(item.path).stem
        if stem in SLOW_FILES or stem.removeprefix("test_") in SLOW:
            item.add_marker("slow")
    only = config.getoption("lesson")
    if only:
        wanted = [item for item in items if _concerns(item, only)]
        config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
        items[:] = wanted


def _lesson(item: pytest.Item, names: set[str]) -> str:
    """The lesson that this test is about, by its file or by what it is given; empty where it is about none or many."""
    stem = Path(item.path).stem
    own = stem.removeprefix("test_") if Path(item.path).parent.name == "lessons" else ""
    given = getattr(getattr(item, "callspec", None), "params", {}).values()
    told = [value.stem if isinstance(value, Path) else str(value) for value in given if isinstance(value, str | Path)]
    return next((name for name in (own, *told) if name in names), "")


def _concerns(item: pytest.Item, lesson: str) -> bool:
    own = Path(item.path).parent.name == "lessons" and Path(item.path).stem == f"test_{lesson}"
    given = getattr(getattr(item, "callspec", None), "params", {}).values()
    return own or any(str(value).partition("?")[0] == lesson for value in given if isinstance(value, str))
