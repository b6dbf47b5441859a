"""Pages people open: the frame they share, the model report, the audit, the dashboard."""
