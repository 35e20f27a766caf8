"""Balancing: one step's forward and backward passes under the recipe's balance, and what they showed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from unisono.balance.base import Balance, Seen
from unisono.balance.capture import Capture
from unisono.balance.make import MissingDependency, make
from unisono.model import MultiTaskModel
from unisono.recipe import Recipe, RecipeError
from unisono.train.balanced import Balanced
from unisono.train.bundles import Bundle
from unisono.train.features import Features
from unisono.train.processes import total
from unisono.train.rounds import Rounds
from unisono.train.shared import shared_layers
from unisono.train.step import Around, Losses, Pass, gradients
from unisono.train.step import losses as losses_of


@dataclass(frozen=True)
class _Step:
    """This process's part of a step; ``present`` are the tasks that have labelled units in it."""

    passes: Sequence[Pass]
    units: Mapping[str, int]
    present: tuple[str, ...]
    around: Around
    step: int


class Balancing:
    """The balance of a run and its capture.

    Args:
        model: on its device.
        recipe: its ``balance`` names the method.
        period: steps in an epoch.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        recipe: Recipe,
        accelerator: Accelerator,
        *,
        period: int,
    ) -> None:
        self.watches = False  # captured gradients are wanted at every step, whatever the method
        self.model, self.accelerator, self.seed = model, accelerator, recipe.seed
        self.names = list(model.tasks)
        self.by_hand = {name: recipe.tasks[name].weight for name in self.names}
        wanted = recipe.balance
        self.scope, self.hold = wanted.scope, wanted.hold
        try:
            self.method: Balance | None = make(wanted.method, len(self.names), wanted.options, period=period)
        except (MissingDependency, ValueError) as error:
            raise RecipeError(f"balance: {error}") from None
        if self.hold and self.method is not None and self.method.needs == "matrix":
            raise RecipeError(
                f"balance.hold: {wanted.method} looks at every number of all tasks' gradients at once; leave it out"
            )
        self._capture: Capture | None = None
        self._captured_ids: tuple[int, ...] = ()
        self._last: _Step | None = None
        self.summed = False  # whether the last step's shared gradients already hold every process's part

    def refuse_features(self, bundles: Sequence[Bundle]) -> None:
        """Raises RecipeError where ``scope: features`` means nothing: no common rows, or a method of another sort."""
        if self.scope == "parameters" or self.method is None:
            return
        if not self.method.at_features:
            raise RecipeError(
                "balance.scope: features is not for this method: it compares gradients over steps, or from two halves "
                "of a step; write parameters"
            )
        if len(bundles) > 1:
            names = " | ".join(", ".join(bundle.tasks) for bundle in bundles)
            raise RecipeError(
                f"balance.scope: features needs tasks that label the same rows; here they are apart: {names}. "
                "Write parameters"
            )

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
        passes: Sequence[Pass],
        units: Mapping[str, int],
        around: Around,
        *,
        step: int,
        measure: bool = False,
        ahead: float | None = None,
    ) -> Balanced:
        """The step's gradients, in ``.grad``.

        Args:
            passes: this process's rows.
            units: task -> labelled units of the step, over all processes.
            measure: capture the gradients even where the method does not ask for them.
            ahead: measure affinity too, by looking ahead along each task's gradient at this learning rate.
        """
        present = tuple(name for name in self.names if units.get(name) and self.by_hand[name])
        self.summed = False
        self._last = this = _Step(passes, units, present, around, step)
        measure = measure or ahead is not None
        if not present or not self._shared() or not (self.captures or measure):
            return self._plain(this)
        if not measure and not self.watches and self._at_features(passes):
            return self._featured(this)
        parts = 2 if self.halves else 1
        if self.hold and ahead is None and len(present) * parts > self.hold:
            return self._in_rounds(this, parts)
        return self._captured(this, ahead, parts)

    def _at_features(self, passes: Sequence[Pass]) -> bool:
        """Whether gradients at the trunk's output are enough: they are compared there, or the losses decide alone."""
        if self.method is None:
            return False
        if self.method.needs == "losses":
            return len(passes) == 1 and len(passes[0].batches) > 1
        return self.scope == "features"

    def _plain(self, this: _Step) -> Balanced:
        weights = dict(self.by_hand)
        places = [self.names.index(name) for name in this.present]
        # Where all that is shared is frozen, there are no gradients to balance: every head learns its own.
        method = self.method if self.method is not None and self.method.needs == "nothing" else None
        if method is None:
            self._last = None
        if method is not None and places:
            with self._drawing(this.step):
                ready = method.ready(places)
            assert ready is not None
            weights |= {name: self.by_hand[name] * float(w) for name, w in zip(this.present, ready, strict=True)}
        losses = gradients(this.passes, this.units, weights, this.around)
        if method is not None and places:
            seen = Seen(tuple(places), self._means(losses, this))
            if torch.isfinite(seen.losses).all():
                method.weights(seen)
        return Balanced(losses, weights)

    def _featured(self, this: _Step) -> Balanced:
        """Gradients are compared at the trunk's output; one backward pass of the trunk takes what comes of it on."""
        features = Features(this.passes, this.present)
        losses = features.forward(this.units, self.by_hand, this.around)
        gramian = features.gramian()
        if self.accelerator.num_processes > 1:
            gramian = total(self.accelerator, gramian)
        gramian = gramian / self._scale**2
        seen = Seen(
            self._places(this), self._means(losses, this), gramian=gramian, last=gramian,
            matrix=features.matrix() if self.method is not None and self.method.needs == "matrix" else None,
        )  # fmt: skip
        weights, update, problem = self._decided(seen, this.step)
        features.backward(weights, update, this.around)
        return self._balanced(this, losses, weights, {"features": gramian}, problem)

    def _in_rounds(self, this: _Step, parts: int) -> Balanced:
        """Few gradients are in memory at a time, however many tasks there are; what that takes is run again."""
        assert self.hold
        rounds = Rounds(
            self._ready_capture(), this.passes, [(task, half) for task in this.present for half in range(parts)],
            halves=parts, hold=self.hold, forget_heads=self._forget_heads, summed=self._sum_captured,
        )  # fmt: skip
        layers = {n: g / self._scale**2 for n, g in rounds.gramians(this.units, self.by_hand, this.around).items()}
        seen = self._seen(this, self._means(rounds.losses, this), layers, parts)
        weights, _, problem = self._decided(seen, this.step)
        factors = dict(zip(this.present, weights.tolist(), strict=True))
        rounds.backward(this.units, self.by_hand, factors, this.around)
        return self._balanced(this, rounds.losses, weights, {n: _fold(g, parts) for n, g in layers.items()}, problem)

    def _captured(self, this: _Step, ahead: float | None, parts: int) -> Balanced:
        capture = self._ready_capture()
        capture.begin(len(this.present) * parts)
        row = {name: at * parts for at, name in enumerate(this.present)}
        losses = gradients(
            this.passes, this.units, {n: self.by_hand[n] if n in row else 0.0 for n in self.names}, this.around,
            into=lambda one, task: capture.row(row[task] + one.half % parts),
        )  # fmt: skip
        capture.end()
        self._sum_captured(capture.matrix)
        self.summed = True
        layers = {name: gramian / self._scale**2 for name, gramian in capture.gramians().items()}
        seen = self._seen(this, self._means(losses, this), layers, parts, capture.matrix if parts == 1 else None)
        affinity = None
        if ahead is not None and all(torch.isfinite(g).all() for g in layers.values()):
            affinity = self._look_ahead(capture, parts, ahead / self._scale, this)
        weights, update, problem = self._decided(seen, this.step)
        if update is None:
            capture.combine(weights.repeat_interleave(parts))
        else:
            capture.put(update)
        if not self.captures:  # measured once in a while: no need to hold the room until then
            capture.close()
            self._capture = None
        gramians = {name: _fold(g, parts) for name, g in layers.items()}
        return self._balanced(this, losses, weights, gramians, problem, affinity)

    def _seen(
        self, this: _Step, means: Tensor, layers: Mapping[str, Tensor], parts: int, matrix: Tensor | None = None
    ) -> Seen:
        """What a method sees of gradients that are told apart, each in ``parts``."""
        whole = torch.stack(list(layers.values())).sum(0)
        return Seen(
            self._places(this),
            means,
            gramian=_fold(whole, parts),
            last=_fold(list(layers.values())[-1], parts),
            # Each half is half of the mean: twice it estimates all.
            cross=4 * whole[0::2, 1::2] if parts == 2 else None,
            matrix=matrix,
        )

    def _sum_captured(self, rows: Tensor) -> None:
        """Adds up captured gradients over the processes, in place."""
        if self.accelerator.num_processes > 1:
            rows.copy_(self.accelerator.reduce(rows, reduction="sum"))

    def _forget_heads(self) -> None:
        for p in self.model.heads.parameters():
            p.grad = None

    def _decided(self, seen: Seen, step: int) -> tuple[Tensor, Tensor | None, str | None]:
        """The method's (T,) weights and its update, if it makes one; of a step that it cannot use, 1 each and why."""
        ones = torch.ones(len(seen.places), dtype=torch.float64)
        assert seen.gramian is not None
        if self.method is None or not (torch.isfinite(seen.gramian).all() and torch.isfinite(seen.losses).all()):
            return ones, None, None
        try:
            with self._drawing(step):
                chosen = self.method.weights(seen).detach().double().cpu()
                update = self.method.update(seen, chosen)
            if not torch.isfinite(chosen).all():
                raise ArithmeticError("its weights are not finite")
        except Exception as error:  # solvers fail in ways of their own; the step is worth more than its balance
            return ones, None, f"{type(error).__name__}: {error}".splitlines()[0]
        return chosen, update, None

    def _balanced(
        self,
        this: _Step,
        losses: Losses,
        weights: Tensor,
        gramians: Mapping[str, Tensor],
        problem: str | None,
        affinity: Tensor | None = None,
    ) -> Balanced:
        if self.method is not None and self.method.weighs_heads:
            self._weigh_heads(this.present, weights)
        scaled = {n: self.by_hand[n] * float(w) for n, w in zip(this.present, weights, strict=True)}
        return Balanced(losses, self.by_hand | scaled, this.present, gramians, affinity, problem)

    def look_again(self) -> None:
        """The last step's rows once more after its update, for a method that wants to see what it did."""
        if self.method is None or not self.method.looks_again or self._last is None:
            return
        means = self._losses_now(self._last)
        if torch.isfinite(means).all():
            self.method.after(list(self._places(self._last)), means)

    def _losses_now(self, this: _Step) -> Tensor:
        """(T,) mean losses of the step's rows with the parameters as they are."""
        return self._means(losses_of(this.passes, this.present, this.around), this)

    @torch.no_grad()
    def _look_ahead(self, capture: Capture, parts: int, rate: float, this: _Step) -> Tensor:
        """(T, T) 1 - Lⱼ(θ - rate · gᵢ) / Lⱼ(θ) over the step's rows. Fifty et al. 2021 (TAG), equation 1.

        The same dropout is drawn for every look, and the parameters end as they began, to the bit.
        """
        shared = [*capture.parameters, *capture.tables]
        kept = [p.detach().clone() for p in shared]
        found = []
        for task in range(-1, capture.rows // parts):
            for row in range(task * parts, (task + 1) * parts) if task >= 0 else ():
                capture.descend(row, rate)
            with self._drawing(this.step):
                found.append(self._losses_now(this))
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
        shared = (p for room in ("stems", "marks", "trunk") for p in getattr(self.model, room).parameters())
        return tuple(id(p) for p in shared if p.requires_grad)

    def forget(self) -> None:
        """Lets go of the last step's rows."""
        self._last = None

    def state_dict(self) -> dict[str, Tensor]:
        return {} if self.method is None else self.method.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        if self.method is not None and state:
            self.method.load_state_dict(state)

    def _means(self, losses: Losses, this: _Step) -> Tensor:
        """(T,) mean losses over all processes' rows, λ of the recipe included."""
        own = [float(torch.stack(losses[n]).sum()) if losses.get(n) else 0.0 for n in this.present]
        summed = total(self.accelerator, torch.tensor(own, dtype=torch.float64))
        return summed * torch.tensor([self.by_hand[n] / this.units[n] for n in this.present], dtype=torch.float64)

    def _places(self, this: _Step) -> tuple[int, ...]:
        return tuple(self.names.index(name) for name in this.present)

    @property
    def _scale(self) -> float:
        """What mixed precision multiplies gradients by."""
        return self.accelerator.scaler.get_scale() if self.accelerator.scaler else 1.0

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
