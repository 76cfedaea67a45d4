"""What is sealed opens under its key, in its row, unchanged, and nowhere else."""

import base64
import json

import pytest

from config.security.encryption import Keyring, KeyringError, SealError

PLAIN = {"api_key": "canary-7f3a9", "note": "ü"}
HERE = "business|calcom|integration"


def ring(*kids: str) -> Keyring:
    return Keyring.parse(",".join(Keyring.new_key(kid) for kid in kids))


def test_it_opens_where_it_was_sealed() -> None:
    keys = ring("k1")
    sealed = keys.seal(PLAIN, HERE)
    assert keys.open(sealed, HERE) == PLAIN
    assert "canary" not in json.dumps(sealed)
    assert "canary" not in repr(keys)
    assert keys.seal(PLAIN, HERE) != sealed


@pytest.mark.parametrize(
    "elsewhere", ["other|calcom|integration", "business|acuity|integration", "business|calcom|1"]
)
def test_another_row_does_not_open_it(elsewhere: str) -> None:
    keys = ring("k1")
    with pytest.raises(SealError):
        keys.open(keys.seal(PLAIN, HERE), elsewhere)


def test_no_flipped_bit_is_taken() -> None:
    keys = ring("k1")
    sealed = keys.seal(PLAIN, HERE)
    tried = 0
    for part in ("w", "c"):
        blob = base64.b64decode(sealed[part])
        for index in range(len(blob)):
            changed = bytearray(blob)
            changed[index] ^= 1 << (index % 8)
            forged = {**sealed, part: base64.b64encode(changed).decode()}
            with pytest.raises(SealError):
                keys.open(forged, HERE)
            tried += 1
    assert tried > 100


def test_another_key_under_the_same_id_does_not_open_it() -> None:
    sealed = ring("k1").seal(PLAIN, HERE)
    with pytest.raises(SealError):
        ring("k1").open(sealed, HERE)


def test_a_wrapping_is_worth_nothing_under_another_id() -> None:
    key = Keyring.new_key("k1").removeprefix("k1:")
    keys = Keyring.parse(f"k1:{key},k2:{key}")
    with pytest.raises(SealError):
        keys.open({**keys.seal(PLAIN, HERE), "kid": "k2"}, HERE)


def test_a_new_key_takes_over_and_the_old_one_can_go() -> None:
    old = ring("k1")
    sealed = old.seal(PLAIN, HERE)
    both = Keyring.parse(f"{Keyring.new_key('k2')},k1:{_encoded(old)}")
    rewrapped = both.rewrap(sealed, HERE)
    assert rewrapped is not None
    assert both.rewrap(rewrapped, HERE) is None
    new = Keyring.parse(f"k2:{base64.b64encode(both.keys['k2']).decode()}")
    assert new.open(rewrapped, HERE) == PLAIN
    with pytest.raises(SealError, match="no longer holds"):
        new.open(sealed, HERE)


@pytest.mark.parametrize(
    "text",
    [
        *("", "k1", "k1:", ":" + "A" * 44, "k1:short", "k1:" + "!" * 44),
        "k1:" + base64.b64encode(b"x" * 31).decode(),
        "k1:" + base64.b64encode(b"canary" + b"x" * 27).decode(),
    ],
)
def test_what_is_no_keyring_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(KeyringError) as refused:
        Keyring.parse(text)
    assert "keys service" in str(refused.value)
    assert "canary" not in str(refused.value)


def test_the_same_id_twice_is_refused() -> None:
    with pytest.raises(KeyringError):
        ring("k1", "k1")


def _encoded(keys: Keyring) -> str:
    return base64.b64encode(keys.keys["k1"]).decode()
