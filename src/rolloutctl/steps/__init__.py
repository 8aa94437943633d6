"""Step kinds, one a file: what each wants to be done, as effects; pure."""
