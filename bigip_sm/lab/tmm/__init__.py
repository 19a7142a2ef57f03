"""The data plane of the emulated BIG-IP."""
