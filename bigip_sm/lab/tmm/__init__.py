"""The data plane of the emulated BIG-IP: TLS listeners, iRules in embedded Tcl, TLS connections to pool members."""

from __future__ import annotations

from bigip_sm.lab.tmm.dataplane import DataPlane

__all__ = ["DataPlane"]
