"""OAuth tokens that expire: refreshed once per connection, whoever notices first.

https://www.rfc-editor.org/rfc/rfc6749#section-6. A vendor that rotates refresh tokens accepts each
of them once, so the new one is stored before anything is done with the token it came with.
"""

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError

from config.security.vault import Account, NoAccountError
from toolkit.errors import Disconnected, ToolFailure, Unavailable
from toolkit.http.client import CONNECT_BUDGET, READ_BUDGET
from toolkit.tenancy import Credentials, LockedAccount, ToolCall

_EARLY = 30.0  # seconds before it expires that a token is replaced


class OAuthCredentials(Credentials):
    """What an authorised application holds for one tenant; tokens are replaced as they expire."""

    client_id: str
    client_secret: str
    refresh_token: str
    access_token: str = ""
    expires_at: float = 0.0


class _Tokens(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    access_token: str
    refresh_token: str | None = None
    expires_in: float | None = None


class _Refusal(BaseModel):
    error: str = ""


@dataclass(frozen=True)
class OAuth(httpx2.Auth):
    """Puts the account's access token on each request, and replaces it when it is refused."""

    vendor: str
    token_url: str
    account: Account
    call: ToolCall = field(repr=False)
    scheme: str = "Bearer"

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Send the request, and once more with a new token where the old one is refused."""
        held = OAuthCredentials.model_validate(self.account.secrets)
        token = held.access_token
        expired = held.expires_at and time.time() > held.expires_at - _EARLY
        if not token or expired:
            token = await self._replaced(token)
        response = yield self._with(request, token)
        if response.status_code == 401:
            yield self._with(request, await self._replaced(token))

    def _with(self, request: httpx2.Request, token: str) -> httpx2.Request:
        request.headers["Authorization"] = f"{self.scheme} {token}"
        return request

    async def _replaced(self, stale: str) -> str:
        """Return a token that is not `stale`: somebody else's new one, or our own."""
        failure: ToolFailure | None = None
        token = ""
        vault = self.call.runtime.vault
        try:
            async with (
                self.call.runtime.lock(self.account.id),
                vault.locked(self.call.business_id, self.account) as held,
            ):
                token = held.account.secrets.get("access_token", "")
                if not token or token == stale:
                    try:
                        token = await self._refresh(held)
                    except Disconnected as refused:
                        failure = refused  # that it is revoked is to be stored nevertheless
        except NoAccountError as gone:
            raise Disconnected(str(gone)) from None
        if failure is not None:
            raise failure
        return token

    async def _refresh(self, held: LockedAccount) -> str:
        mine = OAuthCredentials.model_validate(held.account.secrets)
        response = await self._ask(mine)
        if response.status_code in (400, 401):
            if _error(response) == "invalid_grant":
                held.revoke()
            raise Disconnected(f"The {self.vendor} account must be reconnected.")
        if response.status_code >= 300:
            raise Unavailable(f"{self.vendor} did not renew the account's access.")
        try:
            new = _Tokens.model_validate_json(response.content)
        except ValidationError:
            raise Unavailable(f"{self.vendor} did not renew the account's access.") from None
        changed = {"access_token": new.access_token}
        if new.refresh_token:
            changed["refresh_token"] = new.refresh_token
        if new.expires_in:
            changed["expires_at"] = str(time.time() + new.expires_in)
        held.store({**held.account.secrets, **changed})
        return new.access_token

    async def _ask(self, mine: OAuthCredentials) -> httpx2.Response:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": mine.refresh_token,
            "client_id": mine.client_id,
            "client_secret": mine.client_secret,
        }
        timeout = httpx2.Timeout(READ_BUDGET, connect=CONNECT_BUDGET)
        try:
            return await self.call.runtime.client.post(self.token_url, data=form, timeout=timeout)
        except httpx2.TransportError:
            raise Unavailable(f"{self.vendor} could not be reached.") from None


def _error(response: httpx2.Response) -> str:
    try:
        return _Refusal.model_validate_json(response.content).error
    except ValidationError:
        return ""
