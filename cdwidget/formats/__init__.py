"""Reading and writing data sets; so far the read-only benchmark folders (`folders.py`)."""
