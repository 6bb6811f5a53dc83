"""``maskinfer tune``: the fastest way of running whole jobs on this machine, with the same answers."""
