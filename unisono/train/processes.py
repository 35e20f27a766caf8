"""Processes: the device and the processes of a run, and what they add up between them."""

from __future__ import annotations

import atexit
from collections.abc import Iterable

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from unisono.device import device_of
from unisono.recipe import Recipe, RecipeError


def make_accelerator(recipe: Recipe) -> Accelerator:
    """The device and processes that the recipe asks for."""
    wanted, precision = recipe.train.device, recipe.train.precision
    try:
        device_of(wanted)
        if ":" in wanted:
            raise ValueError(f'"{wanted}": which of several devices is said by CUDA_VISIBLE_DEVICES')
    except ValueError as error:
        raise RecipeError(f"train.device: {error}") from None
    if precision == "fp16" and (
        wanted == "cpu" or not (torch.cuda.is_available() or torch.backends.mps.is_available())
    ):
        raise RecipeError("train.precision: fp16 needs a GPU; write bf16 or fp32")
    AcceleratorState._reset_state()  # one process may train several recipes, each with its own precision
    # Said outright: several processes on a machine without an accelerator are otherwise taken for one each.
    cpu = wanted == "cpu" or not torch.accelerator.is_available()
    accelerator = Accelerator(cpu=cpu, mixed_precision={"fp32": "no"}.get(precision, precision))
    if accelerator.num_processes > 1:
        atexit.register(_part)
    return accelerator


def _part() -> None:
    """Ends the group of processes. Its threads, left to the end of the interpreter, can abort the process there."""
    atexit.unregister(_part)  # registered once for each recipe
    if dist.is_initialized():
        dist.destroy_process_group()


def total(accelerator: Accelerator, values: Tensor) -> Tensor:
    """The sum of every process's values, on the CPU."""
    if accelerator.num_processes == 1:
        return values
    device = accelerator.device
    summed: Tensor = accelerator.reduce(values.to(device), reduction="sum")
    return summed.cpu()


def agreed(accelerator: Accelerator, seconds: float) -> float:
    """The main process's time, the same on all, so that all agree on the progress."""
    return float(total(accelerator, torch.tensor([seconds if accelerator.is_main_process else 0.0]))[0])


def sum_gradients(accelerator: Accelerator, parameters: Iterable[nn.Parameter]) -> None:
    """Adds up the processes' gradients, in one flat message."""
    if accelerator.num_processes == 1:
        return
    learning = [p for p in parameters if p.requires_grad]
    flat = torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in learning])
    flat = accelerator.reduce(flat, reduction="sum")
    for p, piece in zip(learning, flat.split([p.numel() for p in learning]), strict=True):
        p.grad = piece.view_as(p)
