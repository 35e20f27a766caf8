"""What an attacker may send or leave lying: each is refused in one line, with the right status, in bounded time and
memory. One file a family; a case is a line of its table.

Hostile data sets (archives, lists that name files, formats that lie about their sizes) are in
``tests/data/test_hostile_*.py``.
"""
