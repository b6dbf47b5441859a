"""What code an answer depends on: the modules that compute it with all they import, digested from their source.

Lives here: following imports (by ``ast``, so that one inside a function counts) and the digest. Not here: what is
remembered under it (evidence.py). Libraries outside the package are not followed: their versions are pinned.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE = "leadscore_dagster"
#: the modules whose answers are remembered: every part of the audit, the checks of vintages and of logs
JUDGING = (f"{PACKAGE}.core.audit", f"{PACKAGE}.core.sources.checks", f"{PACKAGE}.core.sources.log_checks")
#: what makes a training table, and what makes a model of it
TABLES = (f"{PACKAGE}.core.table",)
MODELS = (*JUDGING, *TABLES, f"{PACKAGE}.core.modelling")


def code_digest(roots: Iterable[str] = JUDGING) -> str:
    """SHA-256 of the source of the root modules (of a package: all its modules) and everything of the package they
    import, directly or not: an answer that was fixed must not be given as it was before."""
    return _digest(ROOT, tuple(roots))


@lru_cache(maxsize=32)
def _digest(root: Path, roots: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for path in closure(root, roots):
        digest.update(path.relative_to(root).as_posix().encode() + b"\x1f" + path.read_bytes())
    return digest.hexdigest()


def closure(root: Path, roots: Iterable[str]) -> list[Path]:
    """Files of the modules and of all they import, sorted; ``root`` is the folder the package lies in."""
    found: set[Path] = set()
    waiting = [path for name in roots for path in _files(root, name, whole=True)]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [file for name in _imports(path) for file in _files(root, name, whole=False)]
    return sorted(found)


def _files(root: Path, name: str, *, whole: bool) -> Iterator[Path]:
    """Files that are run when a module is imported: itself and the ``__init__`` of every package around it.

    ``name`` may also name something in a module; ``whole`` gives all modules of a package.
    """
    parts = name.split(".")
    while parts and parts[0] == PACKAGE:
        path = root.joinpath(*parts)
        if path.with_suffix(".py").is_file():
            yield path.with_suffix(".py")
        elif whole and len(parts) == len(name.split(".")) and path.is_dir():
            yield from path.rglob("*.py")
        elif (path / "__init__.py").is_file():
            yield path / "__init__.py"
        parts.pop()


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
