"""The rooms of the package are one-way: data climbs down once, and what runs knows nothing of training or of ComfyUI."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent / "emotalker"


def imports(path: Path) -> set[str]:
    """Dotted names, from the package's root on, of what a file imports; functions' own imports and those for types count."""
    place = path.relative_to(ROOT.parent).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = [*place[: len(place) + 1 - node.level]] if node.level else []
            base += node.module.split(".") if node.module else []
            found |= {".".join([*base, alias.name]) for alias in node.names}
    return found


def room(parts: tuple[str, ...]) -> str:
    """Package or module right under emotalker."""
    return parts[1].removesuffix(".py") if len(parts) > 1 else ""


FILES = {path: imports(path) for path in sorted(ROOT.rglob("*.py"))}
ROOMS: dict[str, set[str]] = {}
for path, names in FILES.items():
    own = room(path.relative_to(ROOT.parent).parts)
    seen = {room(tuple(name.split("."))) for name in names if name.split(".")[0] == "emotalker"}
    ROOMS[own] = ROOMS.get(own, set()) | seen - {own}


def test_imports_between_packages_form_no_circle():
    order = list(TopologicalSorter(ROOMS).static_order())  # raises CycleError, which names the circle
    assert order.index("arkit") < order.index("speech") < order.index("motion") < order.index("frames") < order.index("cli")
    assert order.index("emotion") < order.index("face") < order.index("scoring")


def test_nothing_that_runs_imports_training():
    assert [own for own, seen in ROOMS.items() if "training" in seen] == []
    for path in (ROOT.parent / "nodes").rglob("*.py"):
        assert not {name for name in imports(path) if "training" in name.split(".")}, path


def test_the_library_knows_nothing_of_comfyui():
    for path, names in FILES.items():
        assert not {name.split(".")[0] for name in names} & {"nodes", "comfy", "comfy_api", "comfy_extras", "folder_paths"}, (
            path
        )


def test_every_import_of_the_package_leads_somewhere():
    for folder in ("emotalker", "nodes", "benchmarks", "devtools", "tests"):
        for path in (ROOT.parent / folder).rglob("*.py"):
            for name in imports(path):
                parts = name.split(".")
                if parts[0] == "emotalker" and len(parts) > 1:
                    parent = ROOT.parent.joinpath(*parts[:-1])
                    assert parent.with_suffix(".py").is_file() or parent.is_dir(), f"{path}: {name}"
