"""`leadscore stress`: a copy of the home under loads and accidents. Real processes on real files; the home itself is
only read."""
