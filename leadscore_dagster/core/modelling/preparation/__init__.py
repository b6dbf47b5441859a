"""What is learned on the training rows of a fold before an estimator sees them."""
