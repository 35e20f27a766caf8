"""What a server cannot begin with."""

from __future__ import annotations


class ServeError(Exception):
    """A setting with which nothing can be served; one line, with the next step."""
