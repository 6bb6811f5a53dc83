"""Frames in: images, videos, cameras and network streams."""
