"""int8 and float16 models, kept only where they pay."""
