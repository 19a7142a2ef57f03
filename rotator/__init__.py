"""The daemon that keeps short-lived AWS credentials fresh on every BIG-IP."""
