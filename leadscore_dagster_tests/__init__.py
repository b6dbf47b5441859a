"""The tests, in the rooms of the package they test."""

from pathlib import Path

#: the checkout the tests belong to
PROJECT = Path(__file__).parents[1]
