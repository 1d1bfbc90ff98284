"""Imports run one way, as docs/design.md lists them, and what is offered is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import catena

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
FACE = "catena"  # the package itself: it imports everything, but only when first asked for


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package, parsed, by its full name."""
    paths = sorted((SOURCE / FACE).rglob("*.py"))
    return {_name(path): ast.parse(path.read_text("utf-8"), str(path)) for path in paths}


def _name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.Module, known: set[str]) -> set[str]:
    """The modules among `known` that a module imports anywhere, for the type checker too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are written in full here"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else str(node.module) for name in whole}
    return found & known


@cache
def graph() -> dict[str, set[str]]:
    """What every module imports of the package."""
    known = set(modules())
    return {name: imports(tree, known) for name, tree in modules().items()}


def layers() -> list[set[str]]:
    """The parts of the package as docs/design.md lists them, the lowest layer first."""
    text = (ROOT / "docs" / "design.md").read_text("utf-8")
    block = re.search(r"^## Imports run one way\n+```text\n(.*?)^```", text, re.M | re.S)
    assert block is not None
    listed = block[1].split("→")
    return [set(re.findall(r"\w+", layer)) for layer in reversed(listed)]


def part(module: str) -> str:
    """The part of the package that a module belongs to: "learn" of "catena.learn.em"."""
    return module.split(".")[1]


def misplaced(graph: dict[str, set[str]], layers: list[set[str]]) -> list[str]:
    """The imports that do not run down from layer to layer."""
    height = {name: level for level, names in enumerate(layers) for name in names}
    return [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in others
        if FACE not in (module, other) and part(module) != part(other)
        if height[part(other)] >= height[part(module)]
    ]


def test_the_layers_are_all_of_the_package():
    listed = [name for layer in layers() for name in layer]
    assert sorted(listed) == sorted({part(module) for module in modules() if module != FACE})


def test_no_import_goes_up_or_sideways():
    assert not misplaced(graph(), layers())


def test_no_circle():
    TopologicalSorter(graph()).prepare()


def test_a_circle_and_a_step_up_are_noticed():
    upwards = {"catena.model": {"catena.errors"}, "catena.errors": {"catena.model"}}
    assert misplaced(upwards, [{"errors"}, {"model"}]) == ["catena.errors imports catena.model"]
    beside = {"catena.space": {"catena.layout"}}
    assert misplaced(beside, [{"space", "layout"}]) == ["catena.space imports catena.layout"]
    with pytest.raises(CycleError):
        TopologicalSorter(upwards).prepare()


def test_nothing_takes_from_the_face_but_the_version():
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == FACE:
                taken = {alias.name for alias in node.names} - {
                    module.removeprefix(f"{FACE}.") for module in modules()
                }
                assert taken <= {"__version__"}, f"{name} imports {taken} from the face"


def test_every_public_name_exists():
    for name in modules():
        module = import_module(name)
        missing = [
            public for public in getattr(module, "__all__", ()) if not hasattr(module, public)
        ]
        assert not missing, f"{name} offers {missing}, which it has not"


def test_the_face_offers_what_it_loads_and_the_type_checker_sees():
    typed = {
        alias.name
        for node in ast.walk(modules()[FACE])
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(f"{FACE}.")
        for alias in node.names
    }
    assert typed == set(catena.__all__) == set(catena._HOMES)
