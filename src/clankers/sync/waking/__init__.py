"""Knowing at once that somebody has committed, at next to no cost while nobody does."""
