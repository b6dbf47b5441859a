"""What the command line runs: Dagster jobs on the instance of one home, and what came of them."""
