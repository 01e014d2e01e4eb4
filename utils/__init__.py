"""What the two data sets share: data, labels, lists, optimisation, metrics, files."""
