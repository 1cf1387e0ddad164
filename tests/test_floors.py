"""Folders are floors: imports go down one ordered list, and inside a folder there is no circle."""

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = (
    *("i18n", "core", "layer", "engine", "networks", "costs", "adapters"),
    *("film", "watched", "export", "content", "lessons", "finding", "light", "rooms", "ui", "command"),
)
FILES = sorted(ROOT.glob("lora_viz/*/**/*.py"))


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path) for path in FILES}


def imports(path: Path) -> set[str]:
    """Every module that this file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor"
            assert node.module is not None
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES
            names |= inner or {node.module}
    return names


def test_the_list_names_every_folder() -> None:
    found = {path.name for path in (ROOT / "lora_viz").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert found == set(FLOORS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    here = FLOORS.index(path.relative_to(ROOT).parts[1])
    for name in imports(path):
        if name.startswith("lora_viz."):
            assert FLOORS.index(name.split(".")[1]) <= here, f"{module(path)} imports {name}"


@pytest.mark.parametrize("floor", FLOORS)
def test_inside_a_folder_there_is_no_circle(floor: str) -> None:
    graph = {module(path): imports(path) & MODULES for path in FILES if module(path).split(".")[1] == floor}
    graphlib.TopologicalSorter({name: found - {name} for name, found in graph.items()}).prepare()


def test_only_the_screen_knows_streamlit() -> None:
    for path in FILES:
        if path.relative_to(ROOT).parts[1] != "ui":
            assert "streamlit" not in {name.split(".")[0] for name in imports(path)}, path


def test_records_and_films_know_no_torch() -> None:
    known = [path for path in FILES if path.parent.name == "core" or path.relative_to(ROOT).parts[1] == "film"]
    for path in known:
        assert "torch" not in {name.split(".")[0] for name in imports(path)}, f"{path}: torch stops at the engine"


def test_lora_viz_itself_holds_few_modules() -> None:
    assert len(list(ROOT.glob("lora_viz/*.py"))) <= 3


def test_names_are_no_drawers() -> None:
    drawers = ("util", "helper", "common", "manager")
    assert not [path for path in FILES if any(word in path.stem for word in drawers)]
