"""An F5 BIG-IP in front of AWS SageMaker, rendered from one reviewed YAML file."""

__version__ = "0.1.0"
