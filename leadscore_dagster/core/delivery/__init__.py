"""What leaves the product: the list sales opens. Not here: who is scored and how (scoring)."""
