"""A secret's place, and the wrapped value that never prints itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """Where a secret is: an environment variable or a file; never the secret itself.

    Written in a playbook as `${env.NAME}` or `{file: PATH}`. A SecretRef stays a
    reference in the journal; each process that needs it reads it again.
    Exactly one of the two is non-empty.
    """

    env: str = ""
    file: str = ""

    def __str__(self) -> str:
        return f"${{env.{self.env}}}" if self.env else f"file {self.file}"


class SecretText:
    """A secret read into memory: prints as `***` everywhere."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret; only for the line that hands it to a client."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__
