"""Trains several recipes one after the other: what a launcher starts in place of the command line, once for all."""

from __future__ import annotations

import sys

from unisono.train.run import open_recipe, train

if __name__ == "__main__":
    for path in sys.argv[1:]:
        train(open_recipe(path), listeners=tuple)
