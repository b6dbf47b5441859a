"""Who may import whom, and what the pure part of the product may not touch: Dagster, the clock, pickles.

Read off the source with ``ast``, so that an import inside a function counts like any other.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import leadscore_dagster
from leadscore_dagster.core.warehouse import lint

PACKAGE = Path(leadscore_dagster.__file__).parent
SQL = PACKAGE.parent / "sql"
CORE = sorted((PACKAGE / "core").rglob("*.py"))
ALL = sorted(PACKAGE.rglob("*.py"))

#: The rooms of core/, in the order in which data passes them; a room imports from rooms before it. Rooms of one row do
#: not know each other.
ORDER: tuple[tuple[str, ...], ...] = (
    ("errors", "text", "files", "clock", "locks", "verdict"),
    ("measures",),
    ("recipe",),
    ("warehouse",),
    ("state",),
    ("sources",),
    ("table",),
    ("audit",),
    ("modelling",),
    ("leak_cost",),
    ("versions",),
    ("scoring",),
    ("delivery", "monitoring"),
    ("alerts",),
    ("pages",),
    # the simulator knows nothing of the product, so it cannot help it; and the product does not know the simulator
    ("simulation",),
)
ROW = {room: row for row, rooms in enumerate(ORDER) for room in rooms}
#: The package outside core/, likewise.
OUTER: tuple[tuple[str, ...], ...] = (("core",), ("defs",), ("definitions",), ("commands",), ("cli",), ("__main__",))
OUTER_ROW = {part: row for row, parts in enumerate(OUTER) for part in parts}
#: The rooms of defs/.
DEFS: tuple[tuple[str, ...], ...] = (
    ("partitions", "resources"),
    ("assets",),
    ("checks", "jobs"),
    ("automation",),
    ("alerts",),
    ("pruning",),
)
DEFS_ROW = {part: row for row, parts in enumerate(DEFS) for part in parts}
UNPICKLERS = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
CLOCKS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "localtime"),
    ("time", "gmtime"),
    ("time", "strftime"),
    ("pd.Timestamp", "now"),
    ("pd.Timestamp", "today"),
}


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _module(path: Path) -> str:
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    return name.removesuffix(".__init__")


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, and the line; ``from package import module`` names the module."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def _own_imports(path: Path) -> Iterator[tuple[list[str], int]]:
    """Imports of the package's own modules, as the parts of their names after the package's."""
    for name, line in _imports(path):
        if name.split(".")[0] == "leadscore_dagster":
            yield name.split(".")[1:], line


def _places(found: list[tuple[Path, int, str]]) -> list[str]:
    return [f"{path.relative_to(PACKAGE)}:{line}: {what}" for path, line, what in found]


# ---- core and Dagster


def test_core_never_imports_dagster() -> None:
    found = [(path, line, name) for path in CORE for name, line in _imports(path) if name.startswith("dagster")]
    assert _places(found) == []


def test_core_imports_nothing_of_the_product_but_core() -> None:
    found = [
        (path, line, ".".join(parts))
        for path in CORE
        for parts, line in _own_imports(path)
        if parts[0] not in ("core", "__version__")
    ]
    assert _places(found) == []


def test_every_module_of_core_loads_without_dagster() -> None:
    """Transitively too: none of the libraries it uses brings Dagster in."""
    modules = [_module(path) for path in CORE]
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "found = sorted(name for name in sys.modules if name.split('.')[0].startswith('dagster'))\n"
        "assert not found, found[:5]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


# ---- directions


def _rooms(folder: Path) -> set[str]:
    return {path.stem if path.is_file() else path.name for path in folder.iterdir()} - {"__init__", "__pycache__"}


@pytest.mark.parametrize(("folder", "rows"), [("core", ROW), ("defs", DEFS_ROW)])
def test_every_room_has_its_place_in_the_order(folder: str, rows: dict[str, int]) -> None:
    assert _rooms(PACKAGE / folder) == set(rows)


@pytest.mark.parametrize(("folder", "rows"), [("core", ROW), ("defs", DEFS_ROW)])
def test_no_room_imports_from_its_own_row_or_a_later_one(folder: str, rows: dict[str, int]) -> None:
    found = []
    for path in sorted((PACKAGE / folder).rglob("*.py")):
        room = _module(path).split(".")[2:3]
        for wanted, line in _own_imports(path) if room else ():
            if wanted[0] == folder and wanted[1] != room[0] and rows[wanted[1]] >= rows[room[0]]:
                found.append((path, line, f"{room[0]} must not know {wanted[1]}"))
    assert _places(found) == []


def test_recipes_hold_recipes_and_no_code() -> None:
    assert list((PACKAGE / "recipes").rglob("*.py")) == []


def test_no_module_is_part_of_a_circle() -> None:
    """Imports inside functions count: a circle that only shows at run time is a circle."""
    known = {_module(path): path for path in ALL}
    graph: dict[str, set[str]] = {}
    for name, path in known.items():
        wanted = ("leadscore_dagster." + ".".join(parts) for parts, _ in _own_imports(path))
        graph[name] = {_nearest(module, known) for module in wanted} - {name, "leadscore_dagster"}
    circles = [sorted(part) for part in _strongly_connected(graph) if len(part) > 1]
    assert circles == []


def _nearest(module: str, known: dict[str, Path]) -> str:
    """The module itself, or the one a name was imported from."""
    while module not in known:
        module = module.rpartition(".")[0]
    return module


def _strongly_connected(graph: dict[str, set[str]]) -> list[set[str]]:
    """Kosaraju's algorithm: modules that can reach each other."""
    order: list[str] = []
    seen: set[str] = set()
    for start in graph:
        _visit(start, graph, seen, order)
    back: dict[str, set[str]] = {name: set() for name in graph}
    for name, wanted in graph.items():
        for module in wanted:
            back[module].add(name)
    parts, seen = [], set()
    for start in reversed(order):
        part: list[str] = []
        _visit(start, back, seen, part)
        parts.append(set(part))
    return parts


def _visit(start: str, graph: dict[str, set[str]], seen: set[str], order: list[str]) -> None:
    if start in seen:
        return
    seen.add(start)
    for module in graph[start]:
        _visit(module, graph, seen, order)
    order.append(start)


def test_a_circle_would_be_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}
    assert {"b", "c"} in _strongly_connected(graph)


def test_the_simulated_market_and_its_truth_are_known_to_nobody_but_the_demo() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in ALL
        for parts, _ in _own_imports(path)
        if parts[:3] == ["core", "simulation", "market"] and "simulation" not in path.parts
    }
    assert found == {"commands/demo.py"}


def test_the_simulated_market_knows_nothing_of_the_product() -> None:
    """So it cannot help it: of the product it has the one error a user reads."""
    found = [
        (path, line, ".".join(parts))
        for path in sorted((PACKAGE / "core" / "simulation" / "market").rglob("*.py"))
        for parts, line in _own_imports(path)
        if parts[:3] != ["core", "simulation", "market"] and parts[:2] != ["core", "errors"]
    ]
    assert _places(found) == []


def test_the_truth_beside_a_track_record_is_known_to_the_backtest_command_alone() -> None:
    """Nothing Dagster runs may read it: neither training nor a gate nor the track record a refresh writes."""
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in ALL
        for parts, _ in _own_imports(path)
        if parts[:3] == ["core", "versions", "oracle"]
    }
    assert found == {"commands/backtest.py"}


def test_the_package_around_core_imports_downwards_only() -> None:
    found = []
    for path in ALL:
        part = _module(path).split(".")[1] if path != PACKAGE / "__init__.py" else None
        for wanted, line in _own_imports(path) if part else ():
            if wanted[0] not in (part, "__version__") and OUTER_ROW[wanted[0]] >= OUTER_ROW[str(part)]:
                found.append((path, line, f"{part} must not know {wanted[0]}"))
    assert _places(found) == []


# ---- the clock and pickles


def _clock_reads(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        owner = ast.unparse(node.value)
        if any(node.attr == name and owner.split(".")[-1] == of.split(".")[-1] for of, name in CLOCKS):
            yield node.lineno, ast.unparse(node)


@pytest.mark.parametrize(
    "code",
    ["datetime.now(UTC)", "datetime.datetime.utcnow()", "date.today()", "time.time()", "pd.Timestamp.now()"],
)
def test_a_read_of_the_clock_would_be_found(code: str) -> None:
    assert list(_clock_reads(ast.parse(code)))


def test_only_the_workspace_reads_the_clock() -> None:
    """Wider than core/: assets and runs are given the time by the one resource, too."""
    found = [(path, line, text) for path in ALL for line, text in _clock_reads(_tree(path))]
    assert {path for path, _, _ in found} == {PACKAGE / "defs" / "resources.py"}, _places(found)


def test_no_function_of_the_clock_is_imported_under_another_name() -> None:
    found = [
        (path, line, name) for path in CORE for name, line in _imports(path) if name in ("time.time", "time.time_ns")
    ]
    assert _places(found) == []


def test_no_sql_file_reads_the_clock() -> None:
    files = sorted(SQL.rglob("*.sql"))
    assert len(files) > 15
    clock = re.compile(r"\bCURRENT_(DATE|DATETIME|TIME|TIMESTAMP)\b|\b(NOW|TODAY|GETDATE|SYSDATE)\s*\(", re.IGNORECASE)
    bare = {path: re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8")) for path in files}
    assert [path.name for path, text in bare.items() if clock.search(text)] == []
    assert lint("SELECT CURRENT_DATE() AS today")  # the linter that runs on every file would say so, too


def test_nothing_in_the_package_unpickles() -> None:
    found = [(path, line, name) for path in ALL for name, line in _imports(path) if name.split(".")[0] in UNPICKLERS]
    for path in ALL:
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Attribute) and node.attr in ("read_pickle", "to_pickle"):
                found.append((path, node.lineno, ast.unparse(node)))
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
                found.append((path, node.value.lineno, "allow_pickle"))
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("eval", "exec", "np.load", "numpy.load"):
                found.append((path, node.lineno, ast.unparse(node.func)))
    assert _places(found) == []


# ---- arguments

#: rooms of core/ whose public functions take at most three arguments by position; the others are to follow
KEYWORDS = ("measures", "modelling", "versions", "scoring", "monitoring")


def _by_position(tree: ast.Module) -> Iterator[tuple[int, str, int]]:
    """Line, name and number of arguments by position of every public function and method; ``self`` does not count."""
    for owner in ast.walk(tree):
        if not isinstance(owner, ast.Module | ast.ClassDef):
            continue
        for one in owner.body:
            if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
                bound = isinstance(owner, ast.ClassDef) and "staticmethod" not in map(ast.unparse, one.decorator_list)
                yield one.lineno, one.name, len(one.args.posonlyargs + one.args.args) - bound


@pytest.mark.parametrize("room", KEYWORDS)
def test_beyond_three_arguments_a_public_function_takes_names(room: str) -> None:
    found = [
        (path, line, f"{name} takes {count} arguments by position")
        for path in sorted((PACKAGE / "core" / room).rglob("*.py"))
        for line, name, count in _by_position(_tree(path))
        if count > 3
    ]
    assert _places(found) == []


def test_a_fourth_argument_by_position_would_be_found() -> None:
    code = "def f(a, b, c, d): ...\nclass C:\n    def g(self, a, b, c, d): ...\n    def h(self, a, b, c, *, d): ..."
    assert [count for _, _, count in _by_position(ast.parse(code))] == [4, 4, 3]


# ---- sentences are written last, and nobody reads them

#: fields that hold a sentence for people; what decides is a verdict's reason, or a field of its own
SENTENCES = {"why", "evidence", "method"}
READING = {"startswith", "endswith", "partition", "rpartition", "split", "rsplit", "splitlines", "removeprefix",
           "removesuffix", "find", "rfind", "index", "count", "replace", "match", "search", "fullmatch", "findall",
           "finditer", "sub"}  # fmt: skip


def _is_sentence(node: ast.AST) -> bool:
    """`x.why`, `x["why"]`, `x.get("why")`, `str(x.why)`, or a variable called like that."""
    if isinstance(node, ast.Attribute):
        return node.attr in SENTENCES
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value in SENTENCES
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("str", "bool", "len"):
        return any(map(_is_sentence, node.args))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        named = node.func.attr == "get" and node.args and isinstance(node.args[0], ast.Constant)
        if named:
            return node.args[0].value in SENTENCES  # type: ignore[attr-defined]
        return _is_sentence(node.func) or (
            node.func.attr in ("lower", "strip", "upper") and _is_sentence(node.func.value)
        )
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _is_sentence(node.operand)
    if isinstance(node, ast.BoolOp):
        return any(map(_is_sentence, node.values))
    return isinstance(node, ast.Name) and node.id in ("why", "method")


def _sentences_in(*nodes: ast.AST) -> set[str]:
    """The sentences anywhere inside, as what they belong to: `x.why`, `x["why"]` and `x.get("why")` are one."""
    found = set()
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Name) and _is_sentence(node):
            found.add(re.sub(r"\.get\('(\w+)'\)|\['(\w+)'\]", r".\1\2", ast.unparse(node)))
    return found


def _decides(test: ast.AST, *told: ast.AST) -> bool:
    """Whether a sentence decides a branch, other than whether it is told itself."""
    return _is_sentence(test) and not _sentences_in(test) <= _sentences_in(*told)


def _is_read(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):  # two sentences may be asked whether they are the same
        given = [_is_sentence(side) for side in (node.left, *node.comparators)]
        return any(given) and not (all(given) and all(isinstance(one, ast.Eq | ast.NotEq) for one in node.ops))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READING:
        return _is_sentence(node.func.value) or any(map(_is_sentence, node.args))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("bool", "any", "all"):
        return any(map(_is_sentence, node.args))
    if isinstance(node, ast.IfExp):
        return _decides(node.test, node.body)
    if isinstance(node, ast.If | ast.While):
        return _decides(node.test, *node.body)
    if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
        return any(_decides(test, node.elt) for part in node.generators for test in part.ifs)
    if isinstance(node, ast.Match):
        return _is_sentence(node.subject)
    return isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and _is_sentence(node.value)


def _sentences_read(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Where a sentence is compared, searched, taken apart, or decides a branch."""
    for node in ast.walk(tree):
        if _is_read(node):
            yield getattr(node, "lineno", 0), ast.unparse(node)[:100]


@pytest.mark.parametrize(
    "code",
    [
        "result.why.startswith(NO_CHAMPION)",
        "measured, unchanged, _ = found.why.partition(': unchanged.')",
        "verdict.why.split(' of ')[0]",
        "measured.method == NO_CHAMPION",
        "'unchanged' in str(gate['why'])",
        "str(gate['why']).rpartition('); ')",
        "re.search('waived', entry.why)",
        "re.compile('x').findall(record.get('why'))",
        "x = 1 if seen.why else 2",
        "[one for one in found if one.evidence.lower().startswith('leak')]",
        "if not self.why():\n    pass",
        "match verdict.why:\n    case 'better':\n        pass",
        "verdict.why[:7]",
        "blocks = bool(report.why())",
        "'promoted' if entry.why else 'kept'",
        "[one for one in found if not one.why]",
    ],
)
def test_a_sentence_that_is_read_would_be_found(code: str) -> None:
    assert list(_sentences_read(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "told = f'{verdict.name}: {verdict.why}'",
        "' '.join(verdict.why for verdict in failed if not verdict.passed)",
        "verdict.reason is Reason.NO_CHAMPION",
        "why = 'a' if passed else 'b'",
        "f'not measured: {one[\"why\"]}' if one.get('why') else ''",
        "[one['why'] for one in records if one.get('why')]",
        "one['method'] == other.method",
    ],
)
def test_building_a_sentence_is_not_reading_one(code: str) -> None:
    assert not list(_sentences_read(ast.parse(code)))


def test_no_code_reads_a_sentence() -> None:
    found = [(path, line, text) for path in ALL for line, text in _sentences_read(_tree(path))]
    assert _places(found) == []
