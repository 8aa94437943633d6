"""Adapters that tell people; one notifier a module."""
