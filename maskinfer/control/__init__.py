"""The control room: what `maskinfer serve` and `maskinfer report` are made of."""
