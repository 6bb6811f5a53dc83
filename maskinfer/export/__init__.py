"""From PyTorch or other frameworks to ONNX files that carry their contract. Needs the ``[train]`` extra."""
