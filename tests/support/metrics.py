"""The metrics of this process, as an exporter would read them."""

from functools import cache

from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint


@cache
def _reader() -> InMemoryMetricReader:
    reader = InMemoryMetricReader()
    set_meter_provider(MeterProvider([reader]))
    return reader


def read_metric(name: str, **attributes: str) -> float:
    """Return the value of a counter or a gauge, the sum over the attributes that are not named.

    The first call begins the counting.
    """
    data = _reader().get_metrics_data()
    resources = data.resource_metrics if data else ()
    points = [
        point
        for resource in resources
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
        if attributes.items() <= (point.attributes or {}).items()
    ]
    return sum(point.value for point in points if isinstance(point, NumberDataPoint))
