"""Errors of an export: one line that names the task and what to do."""


class ExportError(Exception):
    """A model, or one of its tasks, that cannot be exported as asked."""


def need_extra() -> None:
    """Makes sure that what writes graphs is installed.

    Raises:
        ExportError: with the command that installs it.
    """
    from importlib.util import find_spec

    missing = [name for name in ("onnx", "onnxruntime", "onnxscript") if find_spec(name) is None]
    if missing:
        raise ExportError(f"an export needs {', '.join(missing)}: pip install 'unisono[export]'")
