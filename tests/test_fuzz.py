"""Every parser ends every input in a value or in its one kind of error: tests/fuzz, each file in a process of its own.

There no types are checked: twenty thousand inputs a parser would spend nine tenths of their time in those checks.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "tests" / "fuzz").glob("fuzz_*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_input_ends_otherwise(path: Path) -> None:
    options = ("-o", "addopts=--import-mode=importlib", "-o", "python_files=fuzz_*.py", "-p", "no:cacheprovider")
    command = (sys.executable, "-m", "pytest", "-q", "--tb=short", *options, str(path))
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    found = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-1000:]
