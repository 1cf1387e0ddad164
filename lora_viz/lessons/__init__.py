"""One concept a file, ending in its Lesson: settings in, a record, its film, its words, its figure out.

The package can be called: ``lora_viz.lessons()`` is every lesson, so that folder and function bear one name.
"""

import sys
from types import ModuleType
from typing import Any


class _Lessons(ModuleType):
    def __call__(self) -> tuple[Any, ...]:
        """Every lesson, in the order of the menu."""
        from lora_viz.lessons.walk import lessons

        return lessons()


sys.modules[__name__].__class__ = _Lessons
