"""Rules with stable ids over the declaration and the iRule text."""
