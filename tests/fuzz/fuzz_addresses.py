"""Any bytes behind a lesson's name are settings of it: every address ends in a page or in short sentences."""

from starlette.datastructures import QueryParams

from lora_viz.i18n.outside import on_screen
from lora_viz.lessons.walk import lessons
from lora_viz.ui.plain_pages import settled
from tests.fuzz.addresses import queries
from tests.fuzz.amount import amount


def test_whole_addresses() -> None:
    every = [(lesson, queries(lesson)) for lesson in lessons()]
    kept = told = 0
    for turn in range(amount(1_000)):
        lesson, links = every[turn % len(every)]
        link: dict[str, list[str]] = {}
        for name, value in QueryParams(next(links).encode("latin-1")).multi_items():
            link.setdefault(name, []).append(value)
        settings, notices = settled(lesson, link)
        hash(settings)
        for notice in map(on_screen, notices):
            notice.encode()
            assert 5 < len(notice) < 2500, notice
        assert len(notices) <= len(link) + 8
        told += bool(notices)
        kept += not notices
    assert told > kept > 0
