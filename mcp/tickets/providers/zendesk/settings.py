"""The settings of a tenant's Zendesk account."""

from pydantic import BaseModel


class ZendeskSettings(BaseModel):
    """Set both to log calls in Talk's Partner Edition; `talk_line` is the tenant's own number."""

    talk_app_id: int | None = None
    talk_line: str | None = None
