"""Deploy: a trained model as a folder that runs without PyTorch: ONNX graphs, a manifest, checked against the model."""

from unisono.deploy.errors import ExportError

__all__ = ["ExportError"]
