"""Annotated copies of videos: drawn and encoded again, or the source's own packets with an overlay."""
