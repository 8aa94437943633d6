"""Texts for Slack; pure."""

from __future__ import annotations


def escaped(text: str) -> str:
    """The three characters that Slack reads as markup, escaped.

    https://api.slack.com/reference/surfaces/formatting#escaping: without it a gate's text
    could mention everybody with <!channel>.
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
