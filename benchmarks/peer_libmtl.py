"""What a balanced step costs in LibMTL: its PCGrad and MGDA, on the rows, the model and the optimizer of ours.

    pip install --no-deps LibMTL     (1.1.5, the newest on PyPI; it has no UPGrad)
    python benchmarks/peer_libmtl.py [--tasks 8] [--tokens 512] [--rounds 3]

MiniLM, T tasks with rows of their own (``--tokens`` each), word table included. LibMTL's step is that of its Trainer
with ``multi_input``: a forward pass for each task into one tensor of losses, then its method's ``backward``. Every
``losses[i].backward`` runs back through all tasks' passes, as the losses stand in one tensor. The clipping and the
optimizer step are ours in every arm. UPGrad: TorchJD's weights from LibMTL's gradients, as LibMTL has none of its own.
All arms take the same rows in turn in one process. Ratio of medians to the plain sum: ours, and LibMTL's (its EW); by
the clock, and by the processor's time, which with one thread holds on a busy machine too. Prints JSON lines.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from balance_step import swapped, tagging
from ready import loop, step
from torch import Tensor, nn

from unisono.memory import keep_pages
from unisono.model import Batch, MultiTaskModel
from unisono.packed import Packed

OURS = {"PCGrad": "pcgrad", "UPGrad": "upgrad", "MGDA": "mgda"}


def libmtl() -> tuple[Any, Any]:
    """Its architecture and its weightings."""
    # Its image models, which are not used here, ask for a module of torchvision's that has been gone since 2021.
    absent = ModuleType("torchvision.models.utils")
    absent.load_state_dict_from_url = None  # type: ignore[attr-defined]
    for name in ("torchvision", "torchvision.models"):
        sys.modules.setdefault(name, ModuleType(name))
    sys.modules.setdefault("torchvision.models.utils", absent)
    try:
        from LibMTL import architecture, weighting
    except ImportError as error:
        sys.exit(f"LibMTL is not here ({error}); pip install --no-deps LibMTL")
    return architecture, weighting


class Encoder(nn.Module):
    """Stem and trunk, as LibMTL takes an encoder: a batch to its states (N, D)."""

    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        self.stems, self.trunk = model.stems, model.trunk
        self.states = [model.states_of]  # in a list: not a submodule

    def forward(self, batch: Batch) -> Tensor:
        return self.states[0]([batch]).values

    def zero_grad(self, set_to_none: bool = False) -> None:
        """To zeros, as in the PyTorch that LibMTL was written for: it writes into gradients that it has cleared."""
        super().zero_grad(set_to_none=False)


class Decoder(nn.Module):
    """A head, as LibMTL takes a decoder: states to the mean loss of the batch at hand."""

    def __init__(self, head: Any) -> None:
        super().__init__()
        self.head, self.batch = head, None

    def forward(self, states: Tensor) -> Tensor:
        loss = self.head.loss(Packed(states, self.batch.ids.layout), self.batch.targets)
        return loss.mean()


def their_model(made: Any, architecture: Any, method: type) -> Any:
    """What LibMTL's Trainer makes of an encoder, decoders and a weighting, over the parameters of our model."""

    class Model(architecture.HPS, method):  # type: ignore[misc]
        pass

    decoders = nn.ModuleDict({task: Decoder(made.model.head(task)) for task in made.examples})
    device = torch.device("cpu")
    found = Model(list(made.examples), lambda: Encoder(made.model), decoders, False, True, device)
    found.init_param()
    return found


def their_step(made: Any, theirs: Any, rows: dict[str, list[int]]) -> None:
    """One step of LibMTL's Trainer with ``multi_input``, on the given rows."""
    batches = {one.batches[0].task: one.batches[0] for one in made._passes(rows)}
    losses = torch.zeros(len(batches))
    for at, task in enumerate(theirs.task_name):
        theirs.decoders[task].batch = batches[task]
        losses[at] = theirs(batches[task], task)[task]
    made.optimizer.zero_grad(set_to_none=False)
    theirs.backward(losses, mgda_gn="none")
    made.step += 1
    made._update()


def upgrad(weighting: Any) -> type:
    """UPGrad as LibMTL would have it: TorchJD's weights, from its own capture, put back its own way."""
    from torchjd.aggregation import UPGradWeighting

    class UPGrad(weighting.AbsWeighting):  # type: ignore[misc]
        def backward(self, losses: Sequence[Tensor], **unused: Any) -> None:
            grads = self._get_grads(losses, mode="backward")
            self._backward_new_grads(UPGradWeighting()(grads @ grads.T), grads=grads)

    return UPGrad


def measure(count: int, tokens: int, rounds: int) -> None:
    architecture, weighting = libmtl()
    keep_pages()
    with tempfile.TemporaryDirectory() as scratch:
        made = loop(tagging(count), tokens * count, Path(scratch))
        methods = {"EW": weighting.EW, "PCGrad": weighting.PCGrad, "UPGrad": upgrad(weighting), "MGDA": weighting.MGDA}
        theirs = {name: their_model(made, architecture, method) for name, method in methods.items()}
        balances = {name: swapped(made, name) for name in ("sum", *OURS.values())}
        arms: dict[str, Callable[[Any], None]] = {}
        for name, balance in balances.items():
            arms[name] = lambda rows, balance=balance: ours(made, balance, rows)  # type: ignore[misc]
        for name, model in theirs.items():
            arms[f"LibMTL {name}"] = lambda rows, model=model: dense(made, model, rows)  # type: ignore[misc]
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
        for number in range(rounds + 1):
            rows = made.draw()
            for name, act in arms.items():
                begin = time.perf_counter(), time.process_time()
                act(rows)
                if number:  # the first round is not counted
                    times[name].append((time.perf_counter() - begin[0], time.process_time() - begin[1]))
        seconds, busy = (
            {name: statistics.median(each[at] for each in found) for name, found in times.items()} for at in (0, 1)
        )
    for name in arms:
        facts = {
            "benchmark": f"{name}, {count} tasks of {tokens} tokens",
            "s": round(seconds[name], 3),
            "/ plain sum": round(seconds[name] / seconds["sum"], 2),
            "processor s": round(busy[name], 3),
            "processor / plain sum": round(busy[name] / busy["sum"], 2),
        }
        if name.startswith("LibMTL"):
            facts["processor / LibMTL EW"] = round(busy[name] / busy["LibMTL EW"], 2)
        print(json.dumps({**facts, "threads": torch.get_num_threads()}), flush=True)


def ours(made: Any, balance: Any, rows: dict[str, list[int]]) -> None:
    """One step of ours."""
    _tables(made, sparse=True)
    made.balancing = balance
    made.stepper.zero_grad(set_to_none=True)
    step(made, rows)


def dense(made: Any, theirs: Any, rows: dict[str, list[int]]) -> None:
    """One step of LibMTL's, which knows no sparse gradients, and writes only into gradients that are there."""
    _tables(made, sparse=False)
    for p in theirs.parameters():
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    their_step(made, theirs, rows)


def _tables(made: Any, *, sparse: bool) -> None:
    for module in made.model.modules():
        if isinstance(module, nn.Embedding):
            module.sparse = sparse


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    measure(arguments.tasks, arguments.tokens, arguments.rounds)
