"""One report per model version, as a self-contained HTML page: two minutes for a sales lead, twenty for a statistician.

Lives here: turning stored evidence into that page (document): the summary, the sections, their drawings and style. Not
here: measuring (core/modelling), judging (core/versions/gates), reading what is stored (commands/pages), the frame and
look it shares with other pages (core/pages/frame).
"""

from leadscore_dagster.core.pages.model.document import model_page

__all__ = ["model_page"]
