"""What this machine makes of the models and of whole jobs, with accuracy beside every speed."""
