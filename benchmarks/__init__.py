"""Speed, shown as ratios to a plain implementation measured in the same run (`make bench`)."""
