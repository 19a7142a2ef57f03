"""Servers outside AWS that a spec leads to: a TensorFlow Serving or a vLLM of one's own.

They must never get anything of AWS: whatever looks like it is recorded and refused.
"""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

from bigip_sm.lab.http import HttpsServer, Request, Response
from bigip_sm.lab.network import Network
from bigip_sm.lab.pki import Authority, server_context
from bigip_sm.spec.model import Spec
from bigip_sm.spec.upstreams import Http


class OwnServers:
    """A server for each upstream of kind http; it answers what it was asked. ``requests`` holds all that arrived.

    A path that ends in /forbidden is answered 403. What monitors ask for is answered with the status in ``readiness``
    for the server's name, 200 if there is none, and is not in ``requests``.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.readiness: dict[str, int] = {}
        self._probes: set[tuple[str, str]] = set()
        self._stack = AsyncExitStack()

    async def start(self, spec: Spec, network: Network, authority: Authority) -> None:
        """Start and publish every server. Raises OSError if one cannot start."""
        for upstream in spec.upstreams.values():
            if not isinstance(upstream, Http):
                continue
            server = HttpsServer(self.handle, server_context(authority.issue(upstream.host, hosts=[upstream.host])))
            self._stack.push_async_callback(server.stop)
            self._probes.add((upstream.host, upstream.monitor.path or "/ping"))
            port = await server.start()
            domain = f"%{upstream.route_domain}" if upstream.route_domain else ""
            for place in [f"{address}{domain}" for address in upstream.addresses] or [upstream.host]:
                network.publish(place, upstream.port, port)
                self._stack.callback(network.withdraw, place, upstream.port)

    async def stop(self) -> None:
        """Stop everything."""
        await self._stack.aclose()

    async def handle(self, request: Request) -> Response:
        """Answer with what arrived."""
        host = request.header("host") or ""
        if request.method == "GET" and (host, request.path) in self._probes:
            return Response(self.readiness.get(host, 200))
        if request.path.endswith("/forbidden"):
            return Response(403, [("Content-Type", "application/json")], b'{"error": "not you"}')
        self.requests.append(request)
        names = {name.decode("latin-1").lower() for name, _ in request.headers}
        if any(name == "authorization" or name.startswith("x-amz") for name in names):
            return Response(400, [("Content-Type", "application/json")], b'{"error": "this is for AWS"}')
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers}
        seen = {"method": request.method, "path": request.path, "query": request.query, "headers": headers}
        body = json.dumps({**seen, "body": request.body.decode("latin-1")}).encode()
        return Response(200, [("Content-Type", "application/json")], body)
