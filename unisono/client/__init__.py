"""client: a served model asked from Python. Standard library alone; connections are kept alive."""

from unisono.client.client import Client
from unisono.client.errors import (
    Busy,
    ClientError,
    Fault,
    Late,
    NoTask,
    Unanswered,
    Unauthorized,
    Unfit,
    Unreachable,
)
from unisono.client.streams import Part

__all__ = [
    "Busy",
    "Client",
    "ClientError",
    "Fault",
    "Late",
    "NoTask",
    "Part",
    "Unanswered",
    "Unauthorized",
    "Unfit",
    "Unreachable",
]
