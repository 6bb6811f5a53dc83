"""Bytes on disk and over HTTP: atomic writes, images, JSON Lines, downloads, checksums."""
