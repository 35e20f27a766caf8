"""State: what a checkpoint holds of a running training, and how a training takes it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from unisono.recipe import RecipeError
from unisono.train import base
from unisono.train.checkpoints import Loaded
from unisono.train.optim import optimizer_tensors, restore_optimizer

if TYPE_CHECKING:
    from unisono.train.loop import Loop


def taken(loop: Loop) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Group -> name -> tensor, not copied, and plain JSON."""
    optimizer, optimizer_state = optimizer_tensors(loop.optimizer, _names(loop))
    model, fixed = loop.model.state_dict(), loop.staging.fixed
    tensors = {"model": base.without(model, fixed), "optimizer": optimizer}
    if loop.ema:
        tensors["ema"] = loop.ema.tensors()
    if loop.recipe.balance.method != "sum":
        tensors["balance"] = loop.balancing.state_dict()
    plain = {
        "optimizer": optimizer_state,
        "scaler": loop.accelerator.scaler.state_dict() if loop.accelerator.scaler else None,
        "sampler": loop.sampler.state_dict(),
        "staging": loop.staging.state_dict(),
        "seed": loop.recipe.seed,
        "lesson": loop.lesson.fingerprint if loop.lesson else None,
        "base": base.fingerprint(model, fixed) if fixed else None,
        "elapsed": loop.elapsed,
        "bad_steps": loop.bad_steps,
        "micro_tokens": loop.micro_tokens,
        "best": {**loop.best, "mean": None if loop.best["step"] is None else loop.best["mean"]},
        "scores": loop.scores,
    }
    return tensors, plain


def given_back(loop: Loop, loaded: Loaded) -> None:
    """Lets a training go on where ``taken`` left it. Tensors are copied.

    Raises:
        RecipeError: the weights that a checkpoint does not hold have changed.
    """
    state = loaded.state
    if loop.lesson and state.get("lesson") != loop.lesson.fingerprint:
        raise RecipeError(
            f"{loop.run}: a teacher under distill.teachers is another model than when the run began; start again with "
            "--fresh, or give it back"
        )
    try:
        base.give_back(loop.model, loop.staging.fixed, loaded.tensors["model"], state.get("base"))
    except base.OtherWeights as error:
        raise RecipeError(f"{loop.run}: {error}") from None
    restore_optimizer(loop.optimizer, _names(loop), loaded.tensors["optimizer"], state["optimizer"])
    if loop.ema:
        loop.ema.load(loaded.tensors["ema"])
    loop.balancing.load_state_dict(loaded.tensors.get("balance", {}))
    if loop.accelerator.scaler and state["scaler"]:
        loop.accelerator.scaler.load_state_dict(state["scaler"])
    loop.sampler.load_state_dict(state["sampler"])
    if "staging" in state:  # a run begun before there were stages goes on without
        loop.staging.load_state_dict(state["staging"])
    loop.step, loop.elapsed, loop.bad_steps = loaded.step, state["elapsed"], state["bad_steps"]
    loop.micro_tokens, loop.scores = state["micro_tokens"], state["scores"]
    loop.best = state["best"] if state["best"]["step"] is not None else loop.best


def _names(loop: Loop) -> dict[int, str]:
    return {id(p): n for n, p in loop.model.named_parameters()}
