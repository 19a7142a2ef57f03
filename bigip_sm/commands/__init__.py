"""One short file per CLI verb."""
