"""scaffolds: cuts molecules so that those of one scaffold stay together: the test asks for molecules of a new kind.

Bemis and Murcko 1996 (https://doi.org/10.1021/jm9602928); the cut is MoleculeNet's (Wu et al. 2018,
https://doi.org/10.1039/C7SC02664A): scaffolds from the commonest to the rarest fill train, then validation, then test.
No chance is in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module

import numpy as np

from unisono.data.errors import DataError
from unisono.data.rows import Rows

SCAFFOLD = "scaffold"  # what ``ratio.by`` says
LONGEST = 4096  # characters of SMILES; RDKit's work grows faster than the string


def cut_by_scaffold(rows: Rows, shares: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Row numbers of each part: "train" and those in ``shares`` that get a row. Each part is ascending.

    Args:
        rows: with one role of the kind ``sequence``, which holds SMILES; what RDKit cannot read has no scaffold, as a
            molecule without rings.

    Raises:
        DataError: there is no such role, or RDKit is not installed.
    """
    roles = [name for name, kind in rows.kinds.items() if kind == "sequence"]
    if not roles:
        raise DataError('ratio.by: "scaffold" is for molecules; say where their SMILES are: columns: sequence')
    groups: dict[str, list[int]] = defaultdict(list)
    at = 0
    for batch in rows.record_batches():
        for smiles in batch.column(roles[0]).to_pylist():
            groups[scaffold(smiles or "")].append(at)
            at += 1
    ordered = sorted(groups.values(), key=lambda group: (len(group), group[0]), reverse=True)
    parts: dict[str, list[int]] = {"train": [], **{split: [] for split, share in shares.items() if share > 0}}
    for group in ordered:
        if not parts["train"]:  # one group that is larger than its share is better than nothing to learn from
            parts["train"] += group
            continue
        filled, bound = len(group), at * (1 - sum(shares.values()))
        for split, part in parts.items():
            bound += at * shares.get(split, 0)
            filled += len(part)
            if filled <= bound:  # this part has room for the group; where none has, it goes to the last
                break
        part += group
    return {split: np.sort(np.array(places, np.int64)) for split, places in parts.items() if places}


@lru_cache(maxsize=1 << 15)
def scaffold(smiles: str) -> str:
    """The SMILES of a molecule's rings and what links them, without the hands of its centres; "" where there are none.

    Raises:
        DataError: RDKit is not installed.
    """
    try:
        chemistry, murcko = import_module("rdkit.Chem"), import_module("rdkit.Chem.Scaffolds.MurckoScaffold")
        import_module("rdkit.RDLogger").DisableLog("rdApp.*")  # a molecule that it cannot read is no news here
    except ImportError:
        raise DataError("ratio.by: scaffold needs RDKit; run: pip install 'unisono[molecules]'") from None
    words = smiles.split(maxsplit=1)
    molecule = chemistry.MolFromSmiles(words[0]) if words and len(words[0]) <= LONGEST else None
    return "" if molecule is None else str(murcko.MurckoScaffoldSmiles(mol=molecule, includeChirality=False))
