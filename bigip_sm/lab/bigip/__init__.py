"""The control plane of the emulated BIG-IP."""
