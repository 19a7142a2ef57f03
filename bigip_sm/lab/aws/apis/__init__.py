"""Services of the emulated AWS beside the SageMaker runtime; each is strict, and refuses what it does not know."""

from bigip_sm.lab.aws.apis.api import Api, Pending

__all__ = ["Api", "Pending"]
