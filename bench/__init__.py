"""Measurements beside what others do with the same input, as ratios inside one run."""
