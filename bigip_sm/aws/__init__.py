"""AWS hosts, signing-key derivation and bearer tokens."""
