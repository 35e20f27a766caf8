"""Balancing: one step's forward and backward passes under the recipe's balance, and what they showed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from unisono.balance.base import Balance, Seen
from unisono.balance.capture import Capture
from unisono.balance.make import MissingDependency, make
from unisono.heads import Loss
from unisono.model import Batch, MultiTaskModel
from unisono.recipe import Recipe, RecipeError
from unisono.train.events import Affinity, Event, Gradients
from unisono.train.processes import total
from unisono.train.step import Pass, gradients


@dataclass(frozen=True)
class Balanced:
    """What the passes of one step gave, beside the gradients.

    Args:
        losses: task -> each pass's total loss, of this process's rows.
        weights: task -> λ, the balance's and the recipe's multiplied.
        gramians: layer -> (T, T) inner products of the gradients of ``tasks``, where they were captured.
        affinity: (T, T) of ``tasks``: by which share of itself a step along gradient i alone would lower loss j.
        problem: why the balance could not be used in this step, and the plain sum was; or None.
    """

    losses: dict[str, list[Tensor]]
    weights: dict[str, float]
    tasks: tuple[str, ...] = ()
    gramians: Mapping[str, Tensor] | None = None
    affinity: Tensor | None = None
    problem: str | None = None

    def measured(self, step: int) -> Iterator[Event]:
        """How the tasks' gradients lay to each other, and their affinity, where they were looked at."""
        if self.gramians:
            layers = {**self.gramians, "all": torch.stack(list(self.gramians.values())).sum(0)}
            norms = {layer: g.diagonal().clamp(min=0).sqrt().tolist() for layer, g in layers.items()}
            yield Gradients(step, self.tasks, norms, {layer: cosines(g) for layer, g in layers.items()})
        if self.affinity is not None:
            yield Affinity(step, self.tasks, self.affinity.tolist())

    @property
    def norms(self) -> dict[str, float]:
        """Task -> norm of its gradient of the shared parameters, where they were captured."""
        if not self.gramians:
            return {}
        squares = torch.stack(list(self.gramians.values())).sum(0).diagonal().clamp(min=0)
        return dict(zip(self.tasks, squares.sqrt().tolist(), strict=True))


@dataclass(frozen=True)
class Around:
    """What surrounds a pass: the context of the forward pass, and how a scalar goes backward."""

    autocast: Callable[[], AbstractContextManager[None]]
    backward: Callable[[Tensor], None]


class Balancing:
    """The balance of a run and its capture.

    Args:
        model: on its device.
        recipe: its ``balance`` names the method.
        period: steps in an epoch.
        loss: a batch's loss; default: the model's own.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        recipe: Recipe,
        accelerator: Accelerator,
        *,
        period: int,
        loss: Callable[[Batch], Loss] | None = None,
    ) -> None:
        self.loss = loss or model
        self.watches = False  # captured gradients are wanted at every step, whatever the method
        self.model, self.accelerator, self.seed = model, accelerator, recipe.seed
        self.names = list(model.tasks)
        self.by_hand = {name: recipe.tasks[name].weight for name in self.names}
        wanted = recipe.balance
        try:
            self.method: Balance | None = make(wanted.method, len(self.names), wanted.options, period=period)
        except (MissingDependency, ValueError) as error:
            raise RecipeError(f"balance: {error}") from None
        self._capture: Capture | None = None
        self._captured_ids: tuple[int, ...] = ()
        self._passes: tuple[Mapping[str, Sequence[Pass]], Mapping[str, int], tuple[str, ...], Around] | None = None
        self.summed = False  # whether the last step's shared gradients already hold every process's part

    @property
    def halves(self) -> bool:
        """Whether a task's rows must come in two independent halves."""
        return self.method is not None and self.method.needs == "cross"

    @property
    def captures(self) -> bool:
        """Whether each step's gradients are kept apart by task."""
        return self.watches or (self.method is not None and self.method.needs not in ("nothing",))

    def take(
        self,
        passes: Mapping[str, Sequence[Pass]],
        units: Mapping[str, int],
        around: Around,
        *,
        step: int,
        measure: bool = False,
        ahead: float | None = None,
    ) -> Balanced:
        """The step's gradients, in ``.grad``.

        Args:
            passes: task -> this process's rows, cut into passes.
            units: task -> labelled units of the step, over all processes.
            measure: capture the gradients even where the method does not ask for them.
            ahead: measure affinity too, by looking ahead along each task's gradient at this learning rate.
        """
        present = tuple(name for name in self.names if units.get(name) and self.by_hand[name])
        self.summed = False
        self._passes = (passes, units, present, around)
        measure = measure or ahead is not None
        if present and (self.captures or measure) and self._shared():
            return self._captured(passes, units, present, around, step, ahead)
        return self._plain(passes, units, present, around, step)

    def _plain(
        self,
        passes: Mapping[str, Sequence[Pass]],
        units: Mapping[str, int],
        present: tuple[str, ...],
        around: Around,
        step: int,
    ) -> Balanced:
        weights = dict(self.by_hand)
        places = [self.names.index(name) for name in present]
        # Where all that is shared is frozen, there are no gradients to balance: every head learns its own.
        method = self.method if self.method is not None and self.method.needs == "nothing" else None
        if method is None:
            self._passes = None
        if method is not None and present:
            with self._drawing(step):
                ready = method.ready(places)
            assert ready is not None
            weights |= {name: self.by_hand[name] * float(w) for name, w in zip(present, ready, strict=True)}
        losses = gradients(self.loss, passes, units, weights, **vars(around))
        if method is not None and present:
            seen = Seen(tuple(places), self._means(losses, units, present))
            if torch.isfinite(seen.losses).all():
                method.weights(seen)
        return Balanced(losses, weights)

    def _captured(
        self,
        passes: Mapping[str, Sequence[Pass]],
        units: Mapping[str, int],
        present: tuple[str, ...],
        around: Around,
        step: int,
        ahead: float | None,
    ) -> Balanced:
        capture, parts = self._ready_capture(), 2 if self.halves else 1
        capture.begin(len(present) * parts)
        losses: dict[str, list[Tensor]] = {}
        for at, name in enumerate(present):
            losses[name] = []
            for half in range(parts):
                own = [p for p in passes.get(name, ()) if p.half % parts == half]
                with capture.row(at * parts + half):
                    found = gradients(self.loss, {name: own}, units, self.by_hand, **vars(around))
                losses[name] += found[name]
        if self.accelerator.num_processes > 1:
            capture.matrix.copy_(self.accelerator.reduce(capture.matrix, reduction="sum"))
        self.summed = True
        layers = capture.gramians()
        scale = self.accelerator.scaler.get_scale() ** 2 if self.accelerator.scaler else 1.0
        whole = torch.stack(list(layers.values())).sum(0) / scale
        seen = Seen(
            tuple(self.names.index(name) for name in present),
            self._means(losses, units, present),
            gramian=_fold(whole, parts),
            last=_fold(layers[capture.names[-1]] / scale, parts),
            cross=4 * whole[0::2, 1::2]
            if parts == 2
            else None,  # each half is half of the mean: twice it estimates all
            matrix=capture.matrix if parts == 1 else None,
        )
        affinity = None
        if ahead is not None and torch.isfinite(whole).all():
            affinity = self._look_ahead(capture, parts, ahead / math.sqrt(scale), step)
        ones = torch.ones(len(present), dtype=torch.float64)
        weights, update, problem = ones, None, None
        if self.method is not None and torch.isfinite(whole).all() and torch.isfinite(seen.losses).all():
            try:
                with self._drawing(step):
                    chosen = self.method.weights(seen).detach().double().cpu()
                    update = self.method.update(seen, chosen)
                if not torch.isfinite(chosen).all():
                    raise ArithmeticError("its weights are not finite")
                weights = chosen
            except Exception as error:  # solvers fail in ways of their own; the step is worth more than its balance
                update, problem = None, f"{type(error).__name__}: {error}".splitlines()[0]
        if update is None:
            capture.combine(weights.repeat_interleave(parts))
        else:
            capture.put(update)
        if self.method is not None and self.method.weighs_heads:
            self._weigh_heads(present, weights)
        if not self.captures:  # measured once in a while: no need to hold the room until then
            capture.close()
            self._capture = None
        return Balanced(
            losses,
            self.by_hand | {n: self.by_hand[n] * float(w) for n, w in zip(present, weights, strict=True)},
            present,
            {name: _fold(g, parts) / scale for name, g in layers.items()},
            affinity,
            problem,
        )

    def look_again(self) -> None:
        """The last step's rows once more after its update, for a method that wants to see what it did."""
        if self.method is None or not self.method.looks_again or self._passes is None:
            return
        present = self._passes[2]
        means = self._losses_now()
        if torch.isfinite(means).all():
            self.method.after([self.names.index(n) for n in present], means)

    @torch.no_grad()
    def _losses_now(self) -> Tensor:
        """(T,) mean losses of the step's rows with the parameters as they are."""
        assert self._passes is not None
        passes, units, present, around = self._passes
        silent = replace(around, backward=lambda loss: None)
        losses = gradients(self.loss, {n: passes.get(n, ()) for n in present}, units, self.by_hand, **vars(silent))
        return self._means(losses, units, present)

    @torch.no_grad()
    def _look_ahead(self, capture: Capture, parts: int, rate: float, step: int) -> Tensor:
        """(T, T) 1 - Lⱼ(θ - rate · gᵢ) / Lⱼ(θ) over the step's rows. Fifty et al. 2021 (TAG), equation 1.

        The same dropout is drawn for every look, and the parameters end as they began, to the bit.
        """
        shared = [*capture.parameters, *capture.tables]
        kept = [p.detach().clone() for p in shared]
        found = []
        for task in range(-1, capture.rows // parts):
            for row in range(task * parts, (task + 1) * parts) if task >= 0 else ():
                capture.descend(row, rate)
            with self._drawing(step):
                found.append(self._losses_now())
            for p, before in zip(shared, kept, strict=True):
                p.copy_(before)
        before, after = found[0], torch.stack(found[1:])
        return 1 - after / before

    def look_anew(self) -> None:
        """Other parameters may learn from now on: a capture of those that did is let go."""
        if self._capture is not None and self._captured_ids != self._shared():
            self._capture.close()
            self._capture = None

    def _shared(self) -> tuple[int, ...]:
        """The shared parameters that learn, by ``id``."""
        shared = (*self.model.stems.parameters(), *self.model.trunk.parameters())
        return tuple(id(p) for p in shared if p.requires_grad)

    def forget(self) -> None:
        """Lets go of the last step's rows."""
        self._passes = None

    def state_dict(self) -> dict[str, Tensor]:
        return {} if self.method is None else self.method.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        if self.method is not None and state:
            self.method.load_state_dict(state)

    def _means(
        self, losses: Mapping[str, Sequence[Tensor]], units: Mapping[str, int], present: Sequence[str]
    ) -> Tensor:
        """(T,) mean losses over all processes' rows, λ of the recipe included."""
        own = [float(torch.stack(list(losses[n])).sum()) if losses.get(n) else 0.0 for n in present]
        summed = total(self.accelerator, torch.tensor(own, dtype=torch.float64))
        scale = torch.tensor([self.by_hand[n] / units[n] for n in present], dtype=torch.float64)
        return summed * scale

    def _weigh_heads(self, present: Sequence[str], weights: Tensor) -> None:
        for name, weight in zip(present, weights, strict=True):
            for p in self.model.head(name).parameters():
                if p.grad is not None:
                    p.grad.mul_(float(weight))

    @contextmanager
    def _drawing(self, step: int) -> Iterator[None]:
        """Draws inside are a pure function of (seed, step), and leave the generator as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(((self.seed * 1_000_003 + step) * 4096 + 4095) % 2**63)
            yield

    def _ready_capture(self) -> Capture:
        if self._capture is None:
            layers, tables = shared_layers(self.model)
            several = self.accelerator.num_processes > 1  # the buffer then travels as one message
            dense = several or (self.method is not None and self.method.needs == "matrix")
            self._capture = Capture(layers, tables, dense=dense)
            self._captured_ids = self._shared()
        return self._capture


def _fold(gramian: Tensor, parts: int) -> Tensor:
    """The Gramian of the sums of each ``parts`` rows."""
    count = len(gramian) // parts
    return gramian.view(count, parts, count, parts).sum((1, 3))


def shared_layers(model: MultiTaskModel) -> tuple[dict[str, list[nn.Parameter]], list[nn.Parameter]]:
    """Layer -> its shared parameters that learn, from the input up; and the word tables among them."""
    layers: dict[str, list[nn.Parameter]] = {"embeddings": []}
    layers["embeddings"] += [p for p in model.stems.parameters() if p.requires_grad]
    for name, p in model.trunk.named_parameters():
        if p.requires_grad:
            depth = model.trunk.depth(name)
            layers.setdefault(f"layer.{depth - 1}" if depth else "embeddings", []).append(p)
    tables = {id(m.weight) for m in model.stems.modules() if isinstance(m, nn.Embedding)}
    layers = {name: group for name, group in layers.items() if group}
    return layers, [p for group in layers.values() for p in group if id(p) in tables]


def cosines(gramian: Tensor) -> list[list[float]]:
    """(T, T) cosines of the gradients behind a Gramian; 0 where one of them is 0."""
    norms = gramian.diagonal().clamp(min=0).sqrt()
    found = gramian / (norms[:, None] * norms[None, :])
    return [[c if math.isfinite(c) else 0.0 for c in row] for row in found.tolist()]


def sparse_tables(model: MultiTaskModel) -> None:
    """Lets the stems' word tables have sparse gradients: a pass touches few of their rows."""
    for module in model.stems.modules():
        if isinstance(module, nn.Embedding):
            module.sparse = True


def densify(parameters: Sequence[nn.Parameter]) -> None:
    """Turns sparse gradients into full ones, as the optimizer and several processes want them."""
    for p in parameters:
        if p.grad is not None and p.grad.is_sparse:
            p.grad = p.grad.coalesce().to_dense()
