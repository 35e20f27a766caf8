"""device: what a person calls a device -> the device, if it is here."""

from __future__ import annotations

import torch


def device_of(wanted: str) -> torch.device:
    """``auto`` (an accelerator where there is one), ``cpu``, ``cuda``, ``mps``, or one of several, such as ``cuda:1``.

    Raises:
        ValueError: there is no such device here.
    """
    kind, _, number = wanted.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (number and (kind != "cuda" or not number.isdecimal())):
        raise ValueError(f'"{wanted}" is not known; valid: auto, cpu, cuda, mps')
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError("cuda is not available here; write auto or cpu  (unisono doctor tells why)")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ValueError("mps is not available here; write auto or cpu")
    if number and int(number) >= torch.cuda.device_count():
        raise ValueError(f"{wanted} is not here; there are {torch.cuda.device_count()}, numbered from 0")
    if kind == "auto":
        return torch.accelerator.current_accelerator() or torch.device("cpu")
    return torch.device(wanted)
