"""Connectors: what a source's location is, and how its drops, extracts and rows are read from there.

``connector_of`` chooses once, from the text; nobody else looks at the text. Not here: whether a drop is complete and
what it asks for (core/sources/arrivals), what the values mean (core/sources/cleaning).
"""

from leadscore_dagster.core.sources.connectors.folder import Folder, copies_of
from leadscore_dagster.core.sources.connectors.locate import anchored, connector_of
from leadscore_dagster.core.sources.connectors.protocol import Connector, Contents, Extract, Place, SeenFile, Session
from leadscore_dagster.core.sources.connectors.table import SqlTable

__all__ = [
    "Connector",
    "Contents",
    "Extract",
    "Folder",
    "Place",
    "SeenFile",
    "Session",
    "SqlTable",
    "anchored",
    "connector_of",
    "copies_of",
]
