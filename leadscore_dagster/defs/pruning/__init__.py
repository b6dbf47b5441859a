"""What retention lets go of a home and its Dagster instance, and the job that deletes it."""
