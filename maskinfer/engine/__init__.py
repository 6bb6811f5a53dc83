"""The engine: what runs in production. Needs onnxruntime, OpenCV, numpy and PyAV; never torch or onnx."""
