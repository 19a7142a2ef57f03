"""gateway.yaml as typed models."""
