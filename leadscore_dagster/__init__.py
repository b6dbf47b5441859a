"""Lead scoring that knows when each fact became known."""

__version__ = "0.1.0"
