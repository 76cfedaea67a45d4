"""OpenTelemetry traces and metrics, exported to OTEL_EXPORTER_OTLP_ENDPOINT where that is set.

A trace continues in the servers: `traceparent` is sent in the `_meta` of MCP requests.
"""

import os
import socket

from config.settings import Settings


def configure_tracing(process: str, settings: Settings) -> None:
    """Export this process's spans from now on; the last of them are sent when it exits."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None:
        return
    # Imported here because it takes a tenth of a second, which is of use only with traces.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import set_tracer_provider

    provider = TracerProvider(resource=Resource({SERVICE_NAME: f"antiphon-{process}"}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    set_tracer_provider(provider)


def configure_metrics(process: str, settings: Settings) -> None:
    """Export this process's metrics from now on, every minute and when it exits."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None:
        return
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.metrics import set_meter_provider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource

    # Each process has counters of its own; under one name they would overwrite each other.
    instance = f"{socket.gethostname()}:{os.getpid()}"
    resource = Resource({SERVICE_NAME: f"antiphon-{process}", SERVICE_INSTANCE_ID: instance})
    exporter = OTLPMetricExporter(endpoint=f"{endpoint.rstrip('/')}/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter)
    set_meter_provider(MeterProvider([reader], resource=resource))
