"""The one place that looks at the text of a location: which connector it means.

Not here: what a connector does (folder, table).
"""

from __future__ import annotations

import re
from pathlib import Path

from leadscore_dagster.core.sources.connectors.folder import Folder
from leadscore_dagster.core.sources.connectors.protocol import Connector
from leadscore_dagster.core.sources.connectors.table import SqlTable

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+_.\-:]*)://")


def connector_of(location: str | Path) -> Connector:
    """The connector of a path, of a URL of files (s3://, sftp://, whatever fsspec opens) or of a table in a database
    (an SQLAlchemy URL with ``?table=``). Raises InputError for a database URL that does not read; it asks no server."""
    import fsspec

    text = str(location)
    scheme = _SCHEME.match(text)
    if scheme is None or scheme[1].rpartition("::")[2] in fsspec.available_protocols():
        return Folder(text)
    return SqlTable.of_url(text)


def anchored(location: str) -> str:
    """The location as it means the same from every working directory. Raises InputError like ``connector_of``."""
    if _SCHEME.match(location) is None:
        return str(Path(location).absolute())
    if "$" in location:  # what the environment puts there is known only to who reads it
        return location
    connector = connector_of(location)
    return connector.anchored(location) if isinstance(connector, SqlTable) else location
