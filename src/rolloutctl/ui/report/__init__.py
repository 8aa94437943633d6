"""A rollout as a document for a postmortem or a change ticket: HTML and Markdown."""
