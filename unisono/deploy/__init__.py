"""Deploy: a trained model made smaller: distilled, pruned; or a folder of ONNX graphs that needs no PyTorch."""

from unisono.deploy.errors import ExportError

__all__ = ["ExportError"]
