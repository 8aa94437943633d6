"""Ways to split traffic, one a file."""
