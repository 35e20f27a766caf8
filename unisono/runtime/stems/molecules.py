"""Molecules: SMILES read and written anew by RDKit, which is imported when it is first needed."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any
from zlib import crc32

from .symbols import Unreadable

_EXTRA = f"{__name__.split('.')[0].replace('_', '-')}[molecules]"  # of the distribution that this file came with
LONGEST = 4096  # characters; RDKit's work grows faster than the string


def chemistry() -> Any:
    """RDKit's ``Chem``, quiet about what it cannot read.

    Raises:
        ImportError: it is not installed, with the command that installs it.
    """
    try:
        import_module("rdkit.RDLogger").DisableLog("rdApp.*")
        return import_module("rdkit.Chem")
    except ImportError:
        raise ImportError(f"RDKit is not installed; run: pip install '{_EXTRA}'") from None


@lru_cache(maxsize=1 << 15)
def spellings(smiles: str, count: int = 0) -> tuple[str, ...]:
    """The canonical SMILES of a molecule, and ``count`` others drawn at random, the same ones every time.

    Each begins at another atom and takes its branches in another order. Bjerrum 2017 (https://arxiv.org/abs/1703.07076);
    Arús-Pous et al. 2019 (https://doi.org/10.1186/s13321-019-0393-0).

    Raises:
        Unreadable: RDKit cannot read it (unbalanced brackets, an impossible valence), or it is too long.
    """
    if len(smiles) > LONGEST:
        raise Unreadable(f"a SMILES of more than {LONGEST:,} characters")
    chemistry_ = chemistry()
    molecule = chemistry_.MolFromSmiles(smiles)
    if molecule is None or not molecule.GetNumAtoms():
        raise Unreadable("RDKit reads no molecule in this SMILES")
    canonical = str(chemistry_.MolToSmiles(molecule))
    if not count:
        return (canonical,)
    seed = crc32(canonical.encode()) & 0x7FFFFFFF
    drawn = chemistry_.MolToRandomSmilesVect(molecule, count, randomSeed=seed)
    return (canonical, *dict.fromkeys(str(s) for s in drawn if s != canonical))
