"""OAuth 2 access tokens: refreshed once per account, whichever request or process notices first.

https://www.rfc-editor.org/rfc/rfc6749#section-6. A vendor that rotates refresh tokens accepts each
of them once, so the new one is saved before the access token that came with it is used.
"""

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError

from config.protocol import CONNECT_BUDGET, READ_BUDGET
from config.security.vault import Account, NoAccountError
from toolkit.errors import Disconnected, ToolFailure, Unavailable
from toolkit.tenancy import Credentials, LockedAccount, ToolCall

_REFRESH_BEFORE_EXPIRY = 30.0  # seconds


class OAuthCredentials(Credentials):
    """The secrets of an authorised application; the tokens are replaced as they expire.

    `expires_at` is a Unix time; 0 means that it is not known.
    """

    client_id: str
    client_secret: str
    refresh_token: str
    access_token: str = ""
    expires_at: float = 0.0


class _TokenResponse(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    access_token: str
    refresh_token: str | None = None
    expires_in: float | None = None


class _ErrorResponse(BaseModel):
    error: str = ""


@dataclass(frozen=True)
class OAuth(httpx2.Auth):
    """Adds an account's access token to each request, and refreshes it when it is refused."""

    vendor: str
    token_url: str
    account: Account
    call: ToolCall = field(repr=False)
    scheme: str = "Bearer"

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Send the request, and once more with a new token if the vendor responds 401."""
        credentials = OAuthCredentials.model_validate(self.account.secrets)
        token = credentials.access_token
        expiry = credentials.expires_at
        if not token or (expiry and time.time() > expiry - _REFRESH_BEFORE_EXPIRY):
            token = await self._replace_token(token)
        response = yield self._authorize(request, token)
        if response.status_code == 401:
            yield self._authorize(request, await self._replace_token(token))

    def _authorize(self, request: httpx2.Request, token: str) -> httpx2.Request:
        request.headers["Authorization"] = f"{self.scheme} {token}"
        return request

    async def _replace_token(self, stale: str) -> str:
        """Return a token other than `stale`: one that was saved meanwhile, or a new one."""
        failure: ToolFailure | None = None
        token = ""
        vault = self.call.runtime.vault
        try:
            async with (
                self.call.runtime.lock(self.account.id),
                vault.locked(self.call.business_id, self.account) as locked,
            ):
                token = locked.account.secrets.get("access_token", "")
                if not token or token == stale:
                    try:
                        token = await self._refresh(locked)
                    except Disconnected as refused:
                        failure = refused  # raised below, so that a revocation is still saved
        except NoAccountError as error:
            raise Disconnected(str(error)) from None
        if failure is not None:
            raise failure
        return token

    async def _refresh(self, locked: LockedAccount) -> str:
        credentials = OAuthCredentials.model_validate(locked.account.secrets)
        response = await self._request_token(credentials)
        if response.status_code in (400, 401):
            if _error_code(response) == "invalid_grant":
                locked.revoke()
            raise Disconnected(f"The {self.vendor} account must be reconnected.")
        if response.status_code >= 300:
            raise Unavailable(f"{self.vendor} did not renew the account's access.")
        try:
            new = _TokenResponse.model_validate_json(response.content)
        except ValidationError:
            raise Unavailable(f"{self.vendor} did not renew the account's access.") from None
        changed = {"access_token": new.access_token}
        if new.refresh_token:
            changed["refresh_token"] = new.refresh_token
        if new.expires_in:
            changed["expires_at"] = str(time.time() + new.expires_in)
        locked.store({**locked.account.secrets, **changed})
        return new.access_token

    async def _request_token(self, credentials: OAuthCredentials) -> httpx2.Response:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": credentials.refresh_token,
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
        }
        timeout = httpx2.Timeout(READ_BUDGET, connect=CONNECT_BUDGET)
        try:
            return await self.call.runtime.client.post(self.token_url, data=form, timeout=timeout)
        except httpx2.TransportError:
            raise Unavailable(f"{self.vendor} could not be reached.") from None


def _error_code(response: httpx2.Response) -> str:
    try:
        return _ErrorResponse.model_validate_json(response.content).error
    except ValidationError:
        return ""
