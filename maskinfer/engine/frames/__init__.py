"""Frames: pixels in BGR or 4:2:0, colour conversion, drawing."""
