"""The commands of maskinfer: options in, a job run, the result shown."""
