"""The audit as one self-contained HTML page: opened from a file, sent by mail, printed.

Lives here: turning plain data into that page (document), its matrix (matrix), sections, its style and the few lines of
script it can do without. Not here: the frame and look it shares with other pages (core/pages/frame), reaching verdicts
(the other modules of audit), computing any number.
"""

from leadscore_dagster.core.pages.audit.document import audit_page

__all__ = ["audit_page"]
