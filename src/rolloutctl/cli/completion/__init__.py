"""What shells know of the command line: scripts for them, and answers at a TAB."""
