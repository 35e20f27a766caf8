"""data: rows in, from any format to memory-mapped examples; bad rows go to quarantine."""

from unisono.data.encode import encode
from unisono.data.errors import DataError
from unisono.data.examples import Examples
from unisono.data.load import load
from unisono.data.overlap import digests, recur
from unisono.data.quarantine import Quarantine
from unisono.data.roles import MEDIA, Role
from unisono.data.rows import Rows
from unisono.data.sniff import Guess, sniff
from unisono.data.spec import Data
from unisono.data.splits import cut
from unisono.data.summary import summary

__all__ = [
    "MEDIA",
    "Data",
    "DataError",
    "Examples",
    "Guess",
    "Quarantine",
    "Role",
    "Rows",
    "cut",
    "digests",
    "encode",
    "load",
    "recur",
    "sniff",
    "summary",
]
