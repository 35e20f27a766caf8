"""Run: a server from its start to its end: signals, draining, another model put in place under load."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from unisono.runtime.manifest import MANIFEST
from unisono.serve.app import LOOPBACK, Limits, Server
from unisono.serve.batcher import Batcher
from unisono.serve.ending import BACKLOG, Web
from unisono.serve.engine import Engine
from unisono.serve.errors import ServeError

TOKEN = "UNISONO_TOKEN"  # the environment variable that brings the token
_log = logging.getLogger("unisono.serve")


@dataclass(frozen=True)
class Settings:
    """How to serve.

    Args:
        patience: seconds in which a request has to be answered, by what the last ones took, or if it takes steps,
            begun; else it is refused.
        drain: seconds between the signal to end and the last connection's end, at most.
        watch: seconds between two looks whether the model's folder is another one; None: only the signal HUP loads
            it anew.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    limits: Limits = field(default_factory=Limits)
    patience: float = 0.5
    drain: float = 30.0
    watch: float | None = None
    access_log: bool = True


def serve(load: Callable[[], Engine], folder: Path, settings: Settings) -> None:
    """Serves until a signal ends it: TERM or INT (once: what was let in is answered first), HUP loads the model anew.

    Args:
        load: gives the engine of ``folder``, which may be a link that points elsewhere later.

    Raises:
        ServeError: an address that others can reach without a token, or one that is taken.
    """
    if settings.token is None and settings.host not in LOOPBACK:
        raise ServeError(
            f"{settings.host} can be reached from other machines: set a token in the environment variable {TOKEN}, "
            "or leave --host at 127.0.0.1"
        )
    _logging(settings.access_log)
    bound = _bound(settings.host, settings.port)
    asyncio.run(_serve(load, folder, settings, bound))


async def _serve(load: Callable[[], Engine], folder: Path, settings: Settings, bound: socket.socket) -> None:
    batcher = Batcher(load(), patience=settings.patience)
    _spare()
    server = Server(batcher, limits=settings.limits, token=settings.token, hosts=LOOPBACK)
    web = Web(server, drain=settings.drain)
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, changed.set)
    jobs = [asyncio.create_task(_keep(load, batcher, changed))]
    if settings.watch:
        jobs.append(asyncio.create_task(_watch(folder, settings.watch, changed)))
    bound.listen(BACKLOG)  # before it is said: who reads the line may come at once
    host, port = bound.getsockname()[:2]
    where = f"[{host}]" if ":" in host else host
    _log.warning("serving %s at http://%s:%d", ", ".join(batcher.engine.faces), where, port)
    try:
        await web.serve(sockets=[bound])
    finally:
        for job in jobs:
            job.cancel()


def _spare() -> None:
    """Keeps the garbage collector from what there is now: to look through a model takes it a quarter of a second again
    and again, in which nothing is answered. What was left of the model before is collected.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


async def _keep(load: Callable[[], Engine], batcher: Batcher, changed: asyncio.Event) -> None:
    """Loads the model anew each time it is told to; a model that cannot be loaded leaves the one before in place."""
    while True:
        await changed.wait()
        changed.clear()
        try:
            engine = await asyncio.to_thread(load)
        except Exception as error:  # whatever is wrong with a folder, the server goes on
            _log.error("the model was not replaced: %s", str(error).splitlines()[0] if str(error) else repr(error))
            continue
        batcher.replace(engine)
        _spare()
        _log.warning("another model is in place: %s", ", ".join(engine.faces))


async def _watch(folder: Path, every: float, changed: asyncio.Event) -> None:
    known = _mark(folder)
    while True:
        await asyncio.sleep(every)
        now = _mark(folder)
        if now is not None and now != known:
            known = now
            changed.set()


def _mark(folder: Path) -> tuple[str, int, int] | None:
    """Tells one model's folder from another; None while there is none."""
    weights = "model.safetensors"
    for file in (folder / weights, folder / "model" / weights, folder / MANIFEST, folder):
        if file.is_file():
            told = file.stat()
            return str(file.resolve()), told.st_ino, told.st_mtime_ns
    return None


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    out = socket.socket(family, socket.SOCK_STREAM)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        out.bind((host, port))
    except OSError as error:
        out.close()
        raise ServeError(f"{host}:{port}: {os.strerror(error.errno or 0)}; choose another --port") from None
    return out


def _logging(access: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name, level in (
        ("unisono.serve", logging.WARNING),
        ("unisono.access", logging.INFO if access else logging.ERROR),
    ):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(level)
