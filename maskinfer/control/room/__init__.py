"""The running control room: sources, engine, visits, store and publishers together."""
