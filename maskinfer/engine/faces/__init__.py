"""From a frame to labelled faces: detect, track, crop, classify."""
