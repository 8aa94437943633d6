"""Gate kinds, one a file, and the pieces they share: pure."""
