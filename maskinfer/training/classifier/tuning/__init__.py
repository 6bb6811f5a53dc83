"""Fine-tuning of an exported classifier on the faces of a place."""
