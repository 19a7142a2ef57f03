"""The verbs of ``bigip-sm-rotator``: each parses, calls a library function, prints."""
