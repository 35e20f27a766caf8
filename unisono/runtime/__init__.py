"""runtime: answers from an exported folder by ONNX Runtime, tokenizers and NumPy alone: no torch, no transformers."""
