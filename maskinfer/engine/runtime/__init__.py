"""ONNX Runtime sessions and execution providers on this machine."""
