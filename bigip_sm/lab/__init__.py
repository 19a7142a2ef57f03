"""The lab: an emulated BIG-IP and an emulated AWS on loopback."""
