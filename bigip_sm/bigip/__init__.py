"""Talking to a BIG-IP: iControl REST, AS3 and the inventory of devices."""
