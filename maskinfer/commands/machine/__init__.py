"""Commands about this machine: how fast models and jobs are, and which way is the fastest."""
