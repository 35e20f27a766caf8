"""Writing a safetensors file in one pass: no second copy in memory, hashed on the way, shared tensors stored once.

The library's own writer needs every tensor on the CPU at once, refuses tensors that share memory, and reports a full
disk as an error of its own kind. The format: https://huggingface.co/docs/safetensors/index#format.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write(path: Path, tensors: Mapping[str, Tensor]) -> tuple[str, int]:
    """Writes ``tensors``; names that stand for the very same memory are stored once. Returns (SHA-256, bytes).

    Raises:
        TypeError: a tensor of a type that the format does not know.
        OSError: the file could not be written.
    """
    first: dict[tuple[object, ...], str] = {}
    same: dict[str, str] = {}  # name -> the name that it shares its memory with
    for name, tensor in tensors.items():
        if tensor.dtype not in _NAMES:
            raise TypeError(f"tensor {name!r}: safetensors cannot hold {tensor.dtype}")
        if tensor.numel():
            place = (tensor.device, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
            if first.setdefault(place, name) != name:
                same[name] = first[place]
    # Widest elements first, as the library does: every tensor then lies aligned in the memory map.
    kept = sorted((n for n in tensors if n not in same), key=lambda n: (-tensors[n].element_size(), n))
    header: dict[str, object] = {"__metadata__": {"same": json.dumps(same)}} if same else {}
    end = 0
    for name in kept:
        start, end = end, end + tensors[name].numel() * tensors[name].element_size()
        header[name] = {
            "dtype": _NAMES[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [start, end],
        }
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)

    digest, size = hashlib.sha256(), 0
    with path.open("wb", buffering=0) as file:
        for piece in (len(head).to_bytes(8, "little"), head):
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        for name in kept:
            left = _bytes(tensors[name])
            digest.update(left)
            size += len(left)
            while left:  # one write takes at most 2 GiB on Linux
                left = left[file.write(left) :]
    return digest.hexdigest(), size


def read(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, on the CPU, in the order of their names."""
    with safe_open(str(path), framework="pt") as file:
        out: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        same = json.loads((file.metadata() or {}).get("same", "{}"))
    out |= {name: out[twin] for name, twin in same.items()}
    return dict(sorted(out.items()))


def _bytes(tensor: Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1)  # (P,)
    return memoryview(flat.view(torch.uint8).numpy()) if flat.numel() else memoryview(b"")  # type: ignore[arg-type]
