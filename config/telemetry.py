"""Traces: sent where OTEL_EXPORTER_OTLP_ENDPOINT says, or nowhere.

A caller's trace goes on in the servers that it calls: `traceparent` travels in a request's `_meta`.
"""

from config.settings import Settings


def configure_tracing(process: str, settings: Settings) -> None:
    """Send the spans of this process from now on; the last of them go when it exits."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None:
        return
    # Imported here: it costs a tenth of a second, which only those who want traces should pay.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import set_tracer_provider

    provider = TracerProvider(resource=Resource({SERVICE_NAME: f"antiphon-{process}"}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    set_tracer_provider(provider)
