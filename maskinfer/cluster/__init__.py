"""An archive on many machines: Ray does the videos, fsspec holds them."""
