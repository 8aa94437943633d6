"""Journals on disk, and the versioned JSON that they hold."""
