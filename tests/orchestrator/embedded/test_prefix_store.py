import os
from pathlib import Path

from orchestrator.embedded.prefix_store import PrefixStore

PREFIX = [{"role": "system", "content": "You answer for the museum."}]


def store_state(store: PrefixStore, name: str, *, size: int, age: int) -> None:
    """Write a state that was used `age` seconds after another one."""
    path = store.folder / name
    path.write_bytes(b"x" * size)
    os.utime(path, (1_000_000 - age, 1_000_000 - age))


def names(store: PrefixStore) -> set[str]:
    return {path.name for path in store.folder.iterdir()}


def test_a_name_depends_on_every_word_and_on_the_engine(tmp_path: Path) -> None:
    store, other = PrefixStore(tmp_path, "weights 1"), PrefixStore(tmp_path, "weights 2")
    changed = [{"role": "system", "content": "You answer for the museum!"}]
    assert store.name(PREFIX) == PrefixStore(tmp_path, "weights 1").name(PREFIX)
    assert len({store.name(PREFIX), store.name(changed), other.name(PREFIX)}) == 3


def test_only_the_user_may_look_into_the_folder(tmp_path: Path) -> None:
    store = PrefixStore(tmp_path / "models" / "prefixes", "weights")
    assert store.folder.stat().st_mode & 0o077 == 0


def test_what_was_not_used_for_longest_makes_way(tmp_path: Path) -> None:
    store = PrefixStore(tmp_path, "weights", max_files=2)
    for name, age in {"a.state": 3, "b.state": 2, "c.state": 1}.items():
        store_state(store, name, size=1, age=age)
    assert store.find("a.state")
    store.make_room()
    assert names(store) == {"a.state", "c.state"}


def test_the_folder_has_a_limit_in_bytes(tmp_path: Path) -> None:
    store = PrefixStore(tmp_path, "weights", max_bytes=250)
    for age in range(5):
        store_state(store, f"{age}.state", size=100, age=age)
    store.make_room()
    assert names(store) == {"0.state", "1.state"}


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    store = PrefixStore(tmp_path, "weights")
    assert not store.find("a.state")
    store.remove("a.state")
    store_state(store, "a.state", size=1, age=0)
    store.remove("a.state")
    assert not store.find("a.state")
