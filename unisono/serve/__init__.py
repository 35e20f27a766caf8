"""serve: a model behind HTTP. One batcher packs the questions of all tasks into the same passes through the trunk."""

from __future__ import annotations

from unisono.serve.errors import ServeError


def need_extra() -> None:
    """
    Raises:
        ServeError: a package that serving needs is not installed.
    """
    try:
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ServeError(f'serving needs {error.name}: pip install "unisono[serve]"') from None


__all__ = ["ServeError", "need_extra"]
