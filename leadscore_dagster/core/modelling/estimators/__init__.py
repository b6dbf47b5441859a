"""The estimators a recipe can name: how each is fitted, stored, loaded and explained."""
