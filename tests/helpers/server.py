"""A live source on this machine."""

import socket
import threading
from contextlib import suppress
from pathlib import Path


class Server:
    """Sends a video to each that connects, as often as it is told, and breaks off."""

    def __init__(self, video: Path, times: int, endless: bool = False):
        self.endless = endless
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self.socket.getsockname()[1]}"
        self.data = video.read_bytes()
        self.times = times
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        for _ in range(self.times):
            connection, _ = self.socket.accept()
            with connection, suppress(OSError):
                connection.sendall(self.data)
                while self.endless:
                    connection.sendall(self.data)
        self.socket.close()
