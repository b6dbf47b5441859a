"""A simulated market for the demo and the tests, and data damaged on purpose. The product does not know it."""
