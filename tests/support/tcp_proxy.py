"""A TCP line to a server, that can go dead: it still takes connections, and nothing comes back."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress


class TcpProxy:
    """Passes connections on to a port of this machine while it is alive."""

    def __init__(self, port: int) -> None:
        self.url = ""
        self.pending = 0  # connections that were taken and wait
        self.given_up = 0  # those whose client did not wait any longer
        self.passed_on = 0
        self._port = port
        self._alive = asyncio.Event()
        self._alive.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def die(self) -> None:
        """Take new connections from now on, and pass nothing on."""
        self.passed_on = self.given_up = 0
        self._alive.clear()

    def revive(self) -> None:
        """Pass everything on, also what has been waiting."""
        self._alive.set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        task = asyncio.ensure_future(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Break what is connected."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far: asyncio.StreamWriter | None = None
        try:
            said = await self._read_while_dead(reader)
            if said is None:
                return
            answers, far = await asyncio.open_connection("127.0.0.1", self._port)
            self.passed_on += 1
            far.write(said)
            await asyncio.gather(_pump(reader, far), _pump(answers, writer))
        finally:
            writer.close()
            if far is not None:
                far.close()

    async def _read_while_dead(self, reader: asyncio.StreamReader) -> bytes | None:
        """Wait until the line is alive; return what was said meanwhile, None if nobody waits."""
        said = b""
        self.pending += 1
        alive = asyncio.ensure_future(self._alive.wait())
        try:
            while not self._alive.is_set():
                more = asyncio.ensure_future(reader.read(65536))
                await asyncio.wait({alive, more}, return_when=asyncio.FIRST_COMPLETED)
                if not more.done():
                    more.cancel()
                elif data := more.result():
                    said += data
                else:
                    self.given_up += 1
                    return None
            return said
        finally:
            alive.cancel()
            self.pending -= 1


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        target.write_eof()


@asynccontextmanager
async def tcp_proxy(port: int) -> AsyncGenerator[TcpProxy]:
    """Open a line to `port`, on a free port of this machine."""
    opened = TcpProxy(port)
    server = await asyncio.start_server(opened.accept, "127.0.0.1", 0)
    opened.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield opened
    finally:
        server.close()
        await opened.aclose()
