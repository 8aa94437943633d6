"""Statistics: one method a file, pure, each with its source."""
