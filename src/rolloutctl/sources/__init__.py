"""Adapters that answer gates' questions; one source a module, none knows another."""
