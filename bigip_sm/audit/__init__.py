"""Audit records after they left the BIG-IP: their form, a collector that chains them, and answers from them."""
