"""What is remembered about data and models: evidence of gates, bound to content."""
