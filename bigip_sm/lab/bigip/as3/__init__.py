"""AS3 3.56 as the emulated BIG-IP runs it: ``/mgmt/shared/appsvcs``."""
