"""A text as a YAML scalar that reads back as exactly this text; pure."""

from __future__ import annotations

import json
import re

#: Plain where nobody could misread it: words of a name, none that YAML makes a number or truth of.
_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*")
#: https://yaml.org/type/bool.html and https://yaml.org/type/null.html, in lower case.
_OTHER = frozenset({"y", "n", "yes", "no", "true", "false", "on", "off", "null", "inf", "nan"})


def scalar(text: str) -> str:
    """The text, plain if that is safe, else in double quotes as JSON has them."""
    is_plain = _PLAIN.fullmatch(text) and text.isascii() and text.lower() not in _OTHER
    return text if is_plain else json.dumps(text, ensure_ascii=False)
