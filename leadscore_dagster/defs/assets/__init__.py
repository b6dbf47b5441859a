"""One module per room: an asset reads, calls one function of core/, writes, and returns metadata."""
