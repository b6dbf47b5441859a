"""What an asset needs from outside: where things lie, which warehouse, which state, and what time it is.

Lives here: the one resource of the project. Not here: any logic; every asset passes what it gets from here as an
argument to a function of core/.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import yaml

from leadscore_dagster.core.errors import InputError
from leadscore_dagster.core.files import write_text
from leadscore_dagster.core.recipe.loading import parse_day
from leadscore_dagster.core.recipe.schema import Recipe
from leadscore_dagster.core.sources.connectors import Connector, connector_of
from leadscore_dagster.core.state import STATE_FILE, State, file_url, import_once, open_state
from leadscore_dagster.core.warehouse import Warehouse, open_warehouse


def default_home() -> Path:
    """``LEADSCORE_HOME``, or ``.leadscore`` in the working directory."""
    return Path(os.environ.get("LEADSCORE_HOME", ".leadscore")).absolute()


class Workspace(dg.ConfigurableResource):
    """The folder everything lies in, and the clock.

    ``home`` holds ``warehouse/``, ``models/``, ``searches/``, ``outputs/``, ``dagster/`` and ``sources.yaml`` (which
    source of which recipe lies where). ``clock`` fixes the time as an ISO date; empty means the machine's clock.
    ``engine`` names the engine of the warehouse (core/warehouse/engines); that of ``warehouse/`` is the lake.
    """

    home: str
    clock: str = ""
    engine: str = "lake"

    def warehouse(self, recipe: Recipe) -> Warehouse:
        """The warehouse of a recipe: one dataset each, so that SQL names tables without a prefix."""
        return open_warehouse(self.engine, Path(self.home), recipe.name)

    def state(self, recipe: Recipe) -> State:
        """The state of a recipe: ledger, versions, waivers, candidates, audits of versions.

        It lies in ``state.db`` in the home, or where ``LEADSCORE_STATE`` says: an SQLAlchemy URL of PostgreSQL, in
        which ``$NAME`` and ``${NAME}`` are read from the environment, so that a password need not stand in it.
        """
        elsewhere = os.path.expandvars(os.environ.get("LEADSCORE_STATE", ""))
        file = Path(self.home) / STATE_FILE
        own = open_state(file_url(file), recipe.name) if not elsewhere or file.exists() else None
        state = open_state(elsewhere, recipe.name) if elsewhere else own
        assert state is not None
        import_once(state, self.warehouse(recipe), own if elsewhere else None)
        return state

    def models(self, recipe: Recipe) -> Path:
        return Path(self.home) / "models" / recipe.name

    def searches(self, recipe: Recipe) -> Path:
        return Path(self.home) / "searches" / recipe.name

    def outputs(self, recipe: Recipe) -> Path:
        return Path(self.home) / "outputs" / recipe.name

    def now(self) -> datetime:
        """The only place where the clock is read."""
        if self.clock:
            return datetime.combine(parse_day(self.clock), datetime.min.time(), tzinfo=UTC)
        return datetime.now(UTC)

    def location(self, recipe: Recipe, source: str) -> str:
        """Where a source lies: a path or an SQLAlchemy URL. Raises InputError when nobody has said.

        ``$NAME`` and ``${NAME}`` are read from the environment, so that a password need not stand in a file.
        """
        location = read_locations(Path(self.home)).get(recipe.name, {}).get(source)
        if location is None:
            raise InputError(
                f"The location of source {source!r} of recipe {recipe.name!r} is not set",
                where=Path(self.home) / "sources.yaml",
                remedy=f"run `leadscore run {recipe.name} --source {source}=PATH_OR_URL` once",
            )
        return os.path.expandvars(location)

    def connector(self, recipe: Recipe, source: str) -> Connector:
        """What a source's location is. Raises InputError when nobody has said, or it does not read."""
        return connector_of(self.location(recipe, source))


def read_locations(home: Path) -> dict[str, dict[str, str]]:
    """Recipe name → source name → location, as last given on the command line."""
    path = home / "sources.yaml"
    if not path.is_file():
        return {}
    remedy = "mend it, or delete it and give every source again with --source"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError("The file cannot be read as YAML", where=path, remedy=remedy) from error
    if not isinstance(found, dict) or not all(isinstance(known, dict) for known in found.values()):
        raise InputError("The file is not a mapping of recipes to their sources", where=path, remedy=remedy)
    return found


def write_locations(home: Path, recipe: Recipe, given: dict[str, str]) -> None:
    """Remember where the sources of a recipe lie. Raises InputError for a source the recipe does not have."""
    for name in given:
        if name not in recipe.sources:
            raise InputError(
                f"Recipe {recipe.name!r} has no source {name!r}", remedy=f"use one of {', '.join(recipe.sources)}"
            )
    locations = read_locations(home)
    locations.setdefault(recipe.name, {}).update(given)
    write_text(home / "sources.yaml", yaml.safe_dump(locations, sort_keys=True))
