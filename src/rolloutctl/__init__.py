"""rolloutctl: change what production serves, one judged step at a time."""

__version__ = "0.1.0"
