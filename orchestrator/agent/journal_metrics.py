"""What is measured of journals, in OpenTelemetry; exported where an endpoint for it is set."""

from opentelemetry.metrics import get_meter

_meter = get_meter("antiphon.journal")

write_failures = _meter.create_counter(
    "antiphon.journal.write_failures", description="Writes of a journal that the disk refused."
)
unwritten = _meter.create_gauge(
    "antiphon.journal.unwritten", description="Entries of a call that are in memory only."
)
lost = _meter.create_counter(
    "antiphon.journal.lost",
    description="Entries of calls that ended while neither the disk nor the server took them.",
)
undelivered = _meter.create_gauge(
    "antiphon.journal.undelivered",
    description="Entries that the transcripts server does not have yet, by where they wait: "
    "a call in progress, or journals of processes that ended.",
)
set_aside = _meter.create_counter(
    "antiphon.journal.set_aside",
    description="Entries that were set aside as dead letters, by error and tool.",
)
dead_letters = _meter.create_gauge(
    "antiphon.journal.dead_letters", description="Dead letters in the folder of this worker."
)
unreadable = _meter.create_gauge(
    "antiphon.journal.unreadable_files",
    description="Files in the folder of this worker that do not say whose they are.",
)
writable = _meter.create_gauge(
    "antiphon.journal.writable", description="1 while the folder of this worker takes journals."
)
replay_restarts = _meter.create_counter(
    "antiphon.journal.replay_restarts", description="How often the replay of journals has died."
)
