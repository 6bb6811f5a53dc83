"""The settings file of a control room: what it may hold, and how it is read and changed."""
