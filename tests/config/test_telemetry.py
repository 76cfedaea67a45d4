"""What a process counts is exported, at the latest when it ends."""

import asyncio
import sys

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.asgi import serve_app

_PROCESS = """
import sys
from config.settings import Settings
from config.telemetry import configure_metrics
from opentelemetry.metrics import get_meter

counter = get_meter("tests").create_counter("tests.calls")
configure_metrics("worker", Settings(otel_exporter_otlp_endpoint=sys.argv[1] or None))
counter.add(3, {"tool": "append"})
"""


async def _run(endpoint: str) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _PROCESS, endpoint)
    assert await process.wait() == 0


async def test_metrics_are_exported_with_the_process_that_counted_them() -> None:
    exported: list[ExportMetricsServiceRequest] = []

    async def collect(request: Request) -> Response:
        exported.append(ExportMetricsServiceRequest.FromString(await request.body()))
        return Response()

    routes = [Route("/v1/metrics", collect, methods=["POST"])]
    async with serve_app(Starlette(routes=routes)) as url:
        await asyncio.gather(_run(f"{url}/"), _run(url))
    instances: set[str] = set()
    for request in exported:
        (resource,) = request.resource_metrics
        names = {each.key: each.value.string_value for each in resource.resource.attributes}
        assert names["service.name"] == "antiphon-worker"
        instances.add(names["service.instance.id"])
        metrics = [each for scope in resource.scope_metrics for each in scope.metrics]
        points = {each.name: each.sum.data_points for each in metrics}
        assert [point.as_int for point in points["tests.calls"]] == [3]
    assert len(instances) == 2


async def test_without_an_endpoint_nothing_is_exported() -> None:
    await _run("")
